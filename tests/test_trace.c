/* SPDX-License-Identifier: MIT */
/* The .slt format: what is written is read back, what breaks a rule or a bit is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "traces/dump.h"
#include "traces/slt_block.h"
#include "traces/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/slablab-test-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *chosen = path[turn++ % 4];

    snprintf(chosen, sizeof path[0], "%s/%s", folder, name);
    return chosen;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static uint8_t *slurp(const char *path, size_t *length)
{
    FILE *stream = fopen(path, "rb");
    uint8_t *data = malloc(64 << 20);

    assert_non_null(stream);
    assert_non_null(data);
    *length = fread(data, 1, 64 << 20, stream);
    fclose(stream);
    return data;
}

static void spew(const char *path, const void *data, size_t length)
{
    FILE *stream = fopen(path, "wb");

    assert_non_null(stream);
    assert_int_equal(fwrite(data, 1, length, stream), length);
    fclose(stream);
}

/* ---- a trace of two streams, a named cache and kmallocs ---- */

struct scene {
    struct trace_writer *writer;
    struct error error;
    uint32_t cache;
    uint32_t typed, untyped, huge;
};

static struct scene begin(const char *path)
{
    struct scene scene;
    struct trace_cache cache = {.name = "dentry", .object_size = 192, .align = 64};
    struct trace_type type = {.size = 192, .recorded_size = 192, .node = TRACE_ANY_NODE};

    assert_int_equal(trace_create(path, "{\"test\":1}", &scene.writer, &scene.error), 0);
    assert_int_equal(trace_add_stream(scene.writer, "cpu0", 0), 0);
    assert_int_equal(trace_add_stream(scene.writer, "cpu1", 1), 1);
    scene.cache = (uint32_t)trace_add_cache(scene.writer, &cache);
    type.cache = scene.cache;
    scene.typed = (uint32_t)trace_add_type(scene.writer, &type);
    type =
        (struct trace_type){.cache = TRACE_UNTYPED, .size = 100, .recorded_size = 128, .node = 3};
    type.flags = TRACE_NO_WAIT | TRACE_ZERO;
    scene.untyped = (uint32_t)trace_add_type(scene.writer, &type);
    type = (struct trace_type){.cache = TRACE_UNTYPED, .size = UINT64_MAX, .node = INT16_MAX};
    type.recorded_size = UINT64_MAX;
    type.align = UINT32_MAX;
    scene.huge = (uint32_t)trace_add_type(scene.writer, &type);
    return scene;
}

static int put(struct scene *scene, struct trace_event event)
{
    event.batch = event.batch ? event.batch : 1;
    return trace_write(scene->writer, &event, &scene->error);
}

static struct trace_event alloc_of(uint32_t type, uint32_t object, uint64_t time_ns)
{
    return (struct trace_event){
        .op = TRACE_ALLOC, .type = type, .object = object, .time_ns = time_ns, .batch = 1};
}

static struct trace_event free_of(uint32_t object, uint64_t time_ns)
{
    return (struct trace_event){
        .op = TRACE_FREE, .object = object, .time_ns = time_ns, .batch = 1, .stream = 1};
}

static void finish(struct scene *scene)
{
    assert_int_equal(trace_commit(scene->writer, &scene->error), 0);
}

/* Reads all, a prime number of events at a time; the count or a negative errno. */
static ssize_t read_all(const char *path, struct trace_event *events, size_t room,
                        struct error *error)
{
    struct trace_event some[37];
    struct trace_reader *reader;
    ssize_t got, total = 0;
    int code = trace_open(path, &reader, error);

    if (code)
        return code;
    while ((got = trace_read(reader, some, 37, error)) > 0) {
        for (ssize_t i = 0; i < got; i++, total++) {
            if ((size_t)total < room)
                events[total] = some[i];
        }
    }
    trace_close(reader);
    return got < 0 ? got : total;
}

/* Everything the format can say, in few bytes. */
static void write_rich(const char *path)
{
    struct trace_repairs total = {.null_frees = 3, .lost_events = 7};
    struct trace_repairs rows[2] = {{.implied_frees = 1}, {.null_frees = 3}};
    struct scene scene = begin(path);
    struct trace_event event;
    int64_t site = trace_add_call_site(scene.writer, "d_alloc+0x1c");

    assert_int_equal(site, 1);
    event = alloc_of(scene.untyped, 0, 0);
    event.origin = TRACE_PRELOADED;
    assert_int_equal(put(&scene, event), 0);
    assert_int_equal(
        put(&scene,
            (struct trace_event){.op = TRACE_CACHE_CREATE, .type = scene.cache, .time_ns = 5000}),
        0);
    for (uint16_t left = 3; left; left--) {
        event = alloc_of(scene.typed, 4u - left, 6000);
        event.batch = left;
        event.call_site = 1;
        assert_int_equal(put(&scene, event), 0);
    }
    assert_int_equal(put(&scene, free_of(0, 6000)), 0);
    assert_int_equal(put(&scene, alloc_of(scene.huge, 0, UINT64_C(1) << 60)), 0);
    for (uint16_t left = 3; left; left--) {
        event = free_of(left, UINT64_C(1) << 60);
        event.batch = left;
        assert_int_equal(put(&scene, event), 0);
    }
    assert_int_equal(put(&scene, (struct trace_event){.op = TRACE_CACHE_DESTROY,
                                                      .type = scene.cache,
                                                      .time_ns = UINT64_C(1) << 60}),
                     0);
    event = free_of(0, UINT64_C(1) << 60);
    event.origin = TRACE_IMPLIED;
    assert_int_equal(put(&scene, event), 0);
    event = alloc_of(scene.untyped, 0, UINT64_C(1) << 60);
    event.origin = TRACE_INFERRED;
    assert_int_equal(put(&scene, event), 0);
    trace_set_repairs(scene.writer, &total, rows, 2);
    finish(&scene);
}

/* ---- facts ---- */

static void every_kind_of_event_is_read_back(void **state)
{
    const char *path = in_folder("rich.slt");
    struct trace_event events[32];
    struct error error;
    size_t sites;
    struct trace_reader *reader;
    (void)state;

    write_rich(path);
    assert_int_equal(read_all(path, events, 32, &error), 13);
    assert_int_equal(events[0].origin, TRACE_PRELOADED);
    assert_int_equal(events[1].op, TRACE_CACHE_CREATE);
    assert_int_equal(events[1].time_ns, 5000);
    assert_int_equal(events[2].batch, 3);
    assert_int_equal(events[3].batch, 2);
    assert_int_equal(events[4].batch, 1);
    assert_int_equal(events[2].call_site, 1);
    assert_int_equal(events[5].call_site, 0);
    assert_int_equal(events[5].op, TRACE_FREE);
    assert_int_equal(events[5].type, events[0].type);
    assert_int_equal(events[5].object, events[0].object);
    assert_int_equal(events[5].stream, 1);
    assert_int_equal(events[6].time_ns, UINT64_C(1) << 60);
    assert_int_equal(events[7].object, events[4].object);
    assert_int_equal(events[7].batch, 3);
    assert_int_equal(events[10].op, TRACE_CACHE_DESTROY);
    assert_int_equal(events[11].origin, TRACE_IMPLIED);
    assert_int_equal(events[12].origin, TRACE_INFERRED);

    assert_int_equal(trace_open(path, &reader, &error), 0);
    assert_int_equal(trace_read(reader, events, 32, &error), 13);
    assert_int_equal(trace_read(reader, events, 32, &error), 0);
    assert_int_equal(trace_read(reader, events, 32, &error), 0);
    assert_string_equal(trace_streams(reader, &sites)[1].name, "cpu1");
    assert_string_equal(trace_caches(reader, &sites)[0].name, "dentry");
    assert_int_equal(trace_caches(reader, &sites)[0].align, 64);
    assert_int_equal(trace_types(reader, &sites)[1].node, 3);
    assert_int_equal(trace_types(reader, &sites)[1].flags, TRACE_NO_WAIT | TRACE_ZERO);
    assert_true(trace_types(reader, &sites)[2].size == UINT64_MAX);
    assert_int_equal(trace_types(reader, &sites)[2].cache, TRACE_UNTYPED);
    assert_int_equal(trace_types(reader, &sites)[2].node, INT16_MAX);
    assert_string_equal(trace_call_sites(reader, &sites)[1], "d_alloc+0x1c");
    assert_string_equal(trace_call_sites(reader, &sites)[0], "");
    assert_int_equal(sites, 2);
    assert_int_equal(trace_get_repairs(reader)->lost_events, 7);
    assert_int_equal(trace_get_cache_repairs(reader, 0)->implied_frees, 1);
    assert_int_equal(trace_get_cache_repairs(reader, 1)->null_frees, 3);
    assert_null(trace_get_cache_repairs(reader, 2));
    assert_string_equal(trace_provenance(reader), "{\"test\":1}");
    assert_int_equal(strlen(trace_digest(reader)), 32);
    trace_close(reader);
}

static void totals_are_read_without_the_events(void **state)
{
    const char *path = in_folder("totals.slt");
    struct trace_totals totals;
    struct error error;
    (void)state;

    write_rich(path);
    assert_int_equal(trace_read_totals(path, &totals, &error), 0);
    assert_int_equal(totals.events, 13);
    assert_int_equal(totals.allocs, 6);
    assert_int_equal(totals.frees, 5);
    assert_int_equal(totals.peak_live_objects, 4);
    assert_int_equal(totals.streams, 2);
    assert_int_equal(totals.types, 3);
    assert_int_equal(totals.call_sites, 1);
    assert_int_equal(totals.duration_ns, UINT64_C(1) << 60);
    assert_int_equal(trace_read_totals(in_folder("nowhere.slt"), &totals, &error), -ENOENT);
}

static void a_trace_without_events_is_a_trace(void **state)
{
    const char *path = in_folder("none.slt");
    struct scene scene = begin(path);
    struct error error;
    (void)state;

    finish(&scene);
    assert_int_equal(read_all(path, NULL, 0, &error), 0);
}

static void the_same_events_give_the_same_bytes(void **state)
{
    size_t first_length, second_length;
    uint8_t *first, *second;
    (void)state;

    write_rich(in_folder("first.slt"));
    write_rich(in_folder("second.slt"));
    first = slurp(in_folder("first.slt"), &first_length);
    second = slurp(in_folder("second.slt"), &second_length);
    assert_int_equal(first_length, second_length);
    assert_memory_equal(first, second, first_length);
    free(first);
    free(second);
}

static void equal_definitions_get_one_index(void **state)
{
    struct scene scene = begin(in_folder("equal.slt"));
    struct trace_cache cache = {.name = "dentry", .object_size = 192, .align = 64};
    struct trace_type bad = {.cache = 9};
    (void)state;

    assert_int_equal(trace_add_stream(scene.writer, "cpu1", 1), 1);
    assert_int_equal(trace_add_cache(scene.writer, &cache), scene.cache);
    assert_int_equal(trace_add_type(scene.writer, &bad), -EINVAL);
    assert_int_equal(trace_add_stream(scene.writer, "", 1), -EINVAL);
    trace_discard(scene.writer);
    assert_int_equal(access(in_folder("equal.slt"), F_OK), -1);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

enum { MANY = 300000, MANY_LIVE = 90000 };

/* The n-th event of a random trace; the same for the same seed. `live` holds what lives. */
static struct trace_event random_event(uint64_t *random, uint32_t *live, uint32_t *nr_live,
                                       uint32_t *spare, uint32_t *nr_spare, uint64_t time_ns)
{
    uint64_t bits = next_random(random);
    bool fill = *nr_live < MANY_LIVE && bits % 16 < 9;
    struct trace_event event = {.time_ns = time_ns, .batch = 1, .stream = bits >> 32 & 1};

    if (*nr_live == 0 || fill) {
        event.op = TRACE_ALLOC;
        event.type = bits >> 33 & 1;
        event.object = *nr_spare ? spare[--*nr_spare] : *nr_live;
        live[(*nr_live)++] = event.object;
    } else {
        uint32_t chosen = (bits & 0x300)
                              ? *nr_live - 1 - (bits >> 40) % (*nr_live < 50 ? *nr_live : 50)
                              : (uint32_t)((bits >> 40) % *nr_live);

        event.op = TRACE_FREE;
        event.object = live[chosen];
        live[chosen] = live[--*nr_live];
        spare[(*nr_spare)++] = event.object;
    }
    return event;
}

/* Objects are compared by who allocated them: numbers may differ between writer and reader. */
static void random_traces_are_read_back(void **state)
{
    const char *path = in_folder("random.slt");
    uint32_t *live = calloc(MANY_LIVE + 1, sizeof *live),
             *spare = calloc(MANY_LIVE + 1, sizeof *spare);
    uint32_t *mine = calloc(MANY_LIVE + 1, sizeof *mine),
             *theirs = calloc(MANY_LIVE + 1, sizeof *theirs);
    struct trace_event *wrote = calloc(MANY, sizeof *wrote), *got = calloc(MANY, sizeof *got);
    uint32_t nr_live = 0, nr_spare = 0;
    uint64_t random = 88172645463325252u, time_ns = 0;
    struct scene scene = begin(path);
    (void)state;

    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t step = next_random(&random);

        time_ns += step % 100 == 0 ? step >> 30 : step % 5000;
        wrote[i] = random_event(&random, live, &nr_live, spare, &nr_spare, time_ns);
        assert_int_equal(put(&scene, wrote[i]), 0);
    }
    finish(&scene);
    assert_int_equal(read_all(path, got, MANY, &scene.error), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        if (wrote[i].time_ns != got[i].time_ns || wrote[i].stream != got[i].stream ||
            wrote[i].op != got[i].op || got[i].object >= MANY_LIVE)
            fail_msg("event %u differs", i);
        if (wrote[i].op == TRACE_ALLOC) {
            assert_int_equal(wrote[i].type, got[i].type);
            mine[wrote[i].object] = theirs[got[i].object] = i;
        } else if (mine[wrote[i].object] != theirs[got[i].object]) {
            fail_msg("event %u frees another object", i);
        }
    }
    free(live);
    free(spare);
    free(mine);
    free(theirs);
    free(wrote);
    free(got);
}

static void a_bulk_operation_is_not_split_between_blocks(void **state)
{
    const char *path = in_folder("bulk.slt");
    struct scene scene = begin(path);
    struct trace_event *events = calloc(140000, sizeof *events);
    uint32_t count = 0;
    (void)state;

    while (count + 1000 < 140000) {
        for (uint16_t left = 1000; left; left--, count++) {
            struct trace_event event = alloc_of(scene.untyped, count, 0);

            event.batch = left;
            assert_int_equal(put(&scene, event), 0);
        }
    }
    finish(&scene);
    assert_int_equal(read_all(path, events, 140000, &scene.error), count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(events[i].batch, 1000 - i % 1000);
    free(events);
}

static void a_small_file_cannot_ask_for_a_large_memory(void **state)
{
    const char *path = in_folder("dense.slt");
    struct scene scene = begin(path);
    struct stat status;
    (void)state;

    for (uint32_t i = 0; i < 4 * SLT_MAX_EVENTS; i++)
        assert_int_equal(put(&scene, alloc_of(scene.untyped, i, 0)), 0);
    finish(&scene);
    assert_int_equal(read_all(path, NULL, 0, &scene.error), 4 * SLT_MAX_EVENTS);
    assert_int_equal(stat(path, &status), 0);
    assert_true((uint64_t)status.st_size * SLT_MAX_RATIO >= 4u * SLT_MAX_EVENTS * 6);
}

static void the_writer_refuses_what_breaks_a_rule(void **state)
{
    struct scene scene = begin(in_folder("rules.slt"));
    struct trace_event event;
    (void)state;

    assert_int_equal(put(&scene, alloc_of(scene.typed, 1, 0)), -EINVAL); /* above the peak */
    assert_int_equal(put(&scene, alloc_of(99, 0, 0)), -EINVAL);
    assert_int_equal(put(&scene, alloc_of(scene.typed, 0, 10)), 0);
    assert_int_equal(put(&scene, alloc_of(scene.typed, 0, 10)), -EINVAL);
    assert_int_equal(put(&scene, alloc_of(scene.typed, 1, 9)), -EINVAL);
    assert_non_null(strstr(scene.error.text, "time runs backwards"));
    assert_int_equal(put(&scene, free_of(1, 10)), -EINVAL);
    event = alloc_of(scene.typed, 1, 10);
    event.origin = TRACE_PRELOADED;
    assert_int_equal(put(&scene, event), -EINVAL);
    event.origin = TRACE_IMPLIED;
    assert_int_equal(put(&scene, event), -EINVAL);
    event = free_of(0, 10);
    event.stream = 2;
    assert_int_equal(put(&scene, event), -EINVAL);
    event.stream = 0;
    event.call_site = 1;
    assert_int_equal(put(&scene, event), -EINVAL);
    event = (struct trace_event){.op = TRACE_CACHE_CREATE, .type = scene.cache, .time_ns = 10};
    assert_int_equal(put(&scene, event), -EINVAL); /* after an allocation from it */
    event.op = TRACE_CACHE_DESTROY;
    assert_int_equal(put(&scene, event), -EINVAL); /* an object of it lives */
    assert_int_equal(put(&scene, free_of(0, 10)), 0);
    assert_int_equal(put(&scene, event), 0);
    assert_int_equal(put(&scene, event), -EINVAL); /* twice */
    assert_int_equal(put(&scene, alloc_of(scene.typed, 0, 10)), -EINVAL);
    event = alloc_of(scene.untyped, 0, 10);
    event.batch = TRACE_MAX_BATCH + 1;
    assert_int_equal(put(&scene, event), -EINVAL);
    event.batch = 2;
    assert_int_equal(put(&scene, event), 0);
    assert_int_equal(put(&scene, alloc_of(scene.untyped, 1, 11)), -EINVAL);
    assert_int_equal(put(&scene, free_of(0, 10)), -EINVAL);
    assert_int_equal(trace_commit(scene.writer, &scene.error), -EINVAL); /* inside a bulk */
    assert_int_equal(access(in_folder("rules.slt"), F_OK), -1);
}

static void every_truncation_is_refused(void **state)
{
    const char *path = in_folder("cut.slt");
    struct error error;
    struct stat status;
    (void)state;

    write_rich(path);
    assert_int_equal(stat(path, &status), 0);
    for (off_t kept = status.st_size; kept-- > 0;) {
        assert_int_equal(truncate(path, kept), 0);
        error.text[0] = '\0';
        assert_int_equal(read_all(path, NULL, 0, &error), -EINVAL);
        assert_non_null(strstr(error.text, "cut.slt"));
        assert_non_null(strstr(error.text, "byte"));
    }
}

#define GOLDEN "tests/data/golden.slt" /* what write_rich once wrote */

static char *dump_of(const char *path)
{
    struct error error = {""};
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    if (trace_dump(path, out, &error) != 0)
        fail_msg("%s", error.text);
    fclose(out);
    return text;
}

static void what_was_written_long_ago_reads_as_what_is_written_now(void **state)
{
    const char *path = in_folder("now.slt");
    char *then, *now;
    (void)state;

    write_rich(path);
    then = dump_of(GOLDEN);
    now = dump_of(path);
    assert_string_equal(then, now);
    free(then);
    free(now);
}

static void every_flipped_bit_is_refused(void **state)
{
    const char *path = in_folder("flipped.slt");
    struct error error;
    uint8_t *data;
    size_t length;
    int fd;
    (void)state;

    data = slurp(GOLDEN, &length);
    spew(path, data, length);
    fd = open(path, O_WRONLY);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        uint8_t flipped = data[bit / 8] ^ (uint8_t)(1 << bit % 8);

        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)bit / 8), 1);
        assert_int_equal(read_all(path, NULL, 0, &error), -EINVAL);
        assert_non_null(strstr(error.text, "byte"));
        assert_int_equal(pwrite(fd, &data[bit / 8], 1, (off_t)bit / 8), 1);
    }
    assert_int_equal(pwrite(fd, "x", 1, (off_t)length), 1);
    assert_int_equal(read_all(path, NULL, 0, &error), -EINVAL);
    assert_non_null(strstr(error.text, "the file goes on"));
    close(fd);
    free(data);
}

/* Copies a trace with one byte of one block's payload changed and every checksum right. */
static void forge(const char *from, FILE *to, unsigned block, size_t at, uint8_t value)
{
    struct slt_source source;
    struct slt_sink sink;
    FILE *stream = fopen(from, "rb");
    struct error error;

    assert_int_equal(slt_source_open(&source, stream, from, &error), 0);
    assert_int_equal(slt_sink_open(&sink, to), 0);
    for (unsigned number = 0; slt_source_next(&source, &error) == 1; number++) {
        if (number == block)
            source.payload.data[at % source.payload.length] = value;
        assert_int_equal(slt_sink_block(&sink, source.kind, &source.payload, source.first_event,
                                        source.time_ns, NULL, 0),
                         0);
    }
    assert_int_equal(slt_sink_finish(&sink, source.footer), 0);
    slt_sink_close(&sink);
    slt_source_close(&source);
    fclose(stream);
}

/* Checksums keep out accidents, not malice: every field is checked besides. */
static void forged_blocks_are_refused_or_harmless(void **state)
{
    const char *honest = in_folder("honest.slt"), *forged = in_folder("forged.slt");
    static const uint8_t values[] = {0, 1, 2, 3, 4, 5, 127, 128, 255};
    unsigned refused = 0, tried = 0;
    FILE *to = fopen(forged, "w+b");
    struct error error;
    (void)state;

    write_rich(honest);
    for (unsigned block = 0; block < 3; block++) {
        for (size_t at = 0; at < 400; at++) {
            ssize_t got;

            rewind(to);
            forge(honest, to, block, at, values[(at * 7 + tried) % sizeof values]);
            fflush(to);
            assert_int_equal(ftruncate(fileno(to), ftello(to)), 0);
            got = read_all(forged, NULL, 0, &error);
            assert_true(got == -EINVAL || got == 13);
            refused += got < 0;
            tried++;
        }
    }
    assert_true(refused > tried / 4);
    fclose(to);
}

static void what_is_no_trace_is_refused(void **state)
{
    struct error error;
    struct trace_reader *reader;
    (void)state;

    spew(in_folder("empty"), "", 0);
    assert_int_equal(trace_open(in_folder("empty"), &reader, &error), -EINVAL);
    assert_non_null(strstr(error.text, "empty"));
    spew(in_folder("text"), "a text that is long enough for a header\n", 40);
    assert_int_equal(trace_open(in_folder("text"), &reader, &error), -EINVAL);
    assert_non_null(strstr(error.text, "not a slablab trace"));
    assert_int_equal(trace_open(in_folder("nowhere"), &reader, &error), -ENOENT);
    assert_true(trace_open(folder, &reader, &error) < 0);
}

static void a_trace_is_read_from_a_pipe(void **state)
{
    const char *path = in_folder("pipe.slt");
    int saved = dup(STDIN_FILENO), ends[2];
    struct error error;
    uint8_t *data;
    size_t length;
    (void)state;

    write_rich(path);
    data = slurp(path, &length);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], data, length), length);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    assert_int_equal(read_all("-", NULL, 0, &error), 13);
    dup2(saved, STDIN_FILENO);
    close(saved);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_event_is_read_back),
        cmocka_unit_test(totals_are_read_without_the_events),
        cmocka_unit_test(a_trace_without_events_is_a_trace),
        cmocka_unit_test(the_same_events_give_the_same_bytes),
        cmocka_unit_test(equal_definitions_get_one_index),
        cmocka_unit_test(random_traces_are_read_back),
        cmocka_unit_test(a_bulk_operation_is_not_split_between_blocks),
        cmocka_unit_test(a_small_file_cannot_ask_for_a_large_memory),
        cmocka_unit_test(the_writer_refuses_what_breaks_a_rule),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(what_was_written_long_ago_reads_as_what_is_written_now),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(forged_blocks_are_refused_or_harmless),
        cmocka_unit_test(what_is_no_trace_is_refused),
        cmocka_unit_test(a_trace_is_read_from_a_pipe),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
