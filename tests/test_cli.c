/* SPDX-License-Identifier: MIT */
/* The command line as a user meets it: statuses, messages, files. Runs the program itself. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HACKBENCH "traces/samples/hackbench.slt"

static char folder[64]; /* the test's own */
static const char *program;

static struct {
    int status;
    char *output;
    char *messages;
} last;

static char *read_file(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");

    if (file && getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text ? text : strdup("");
}

/* Runs `slablab ARGUMENTS` through the shell in the sources' folder; %s of the test folder is @. */
static void run(const char *arguments)
{
    char command[4096], expanded[2048] = "", path[128];

    for (const char *c = arguments; *c; c++) {
        size_t used = strlen(expanded);

        if (*c == '@')
            strcat(expanded, folder);
        else
            expanded[used] = *c, expanded[used + 1] = '\0';
    }
    snprintf(command, sizeof command, "%s %s >%s/.out 2>%s/.err </dev/null", program, expanded,
             folder, folder);
    last.status = WEXITSTATUS(system(command));
    free(last.output);
    free(last.messages);
    snprintf(path, sizeof path, "%s/.out", folder);
    last.output = read_file(path);
    snprintf(path, sizeof path, "%s/.err", folder);
    last.messages = read_file(path);
}

static void assert_status(int expected)
{
    if (last.status != expected)
        fail_msg("status %d, expected %d; it said: %s", last.status, expected, last.messages);
}

/* Refused: status 2, one line that holds `words`. */
static void assert_refused(const char *words)
{
    const char *end = strchr(last.messages, '\n');

    assert_status(2);
    if (!strstr(last.messages, words))
        fail_msg("'%s' is not in: %s", words, last.messages);
    assert_non_null(end);
    /* argp adds a second line that points to --help. */
    assert_true(end[1] == '\0' || strncmp(end + 1, "Try `slablab", 12) == 0);
}

static unsigned files_in(const char *path)
{
    DIR *opened = opendir(path);
    unsigned count = 0;

    assert_non_null(opened);
    for (const struct dirent *entry; (entry = readdir(opened));)
        count += entry->d_name[0] != '.';
    closedir(opened);
    return count;
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    program = getenv("SLABLAB");
    if (!program)
        program = "build/debug/slablab";
    strcpy(folder, "/tmp/slablab-cli-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    free(last.output);
    free(last.messages);
    return system(command);
}

/* ---- help ---- */

static void help_and_version_are_there(void **state)
{
    static const char *const commands[] = {"list",   "import", "info", "check",
                                           "replay", "sweep",  "plot"};

    (void)state;
    run("--help");
    assert_status(0);
    run("--version");
    assert_status(0);
    assert_memory_equal(last.output, "slablab ", 8);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char arguments[64];

        snprintf(arguments, sizeof arguments, "%s --help", commands[i]);
        run(arguments);
        assert_status(0);
        assert_non_null(strstr(last.output, "Example"));
        assert_non_null(strstr(last.output, "slablab"));
    }
}

static void wrong_usage_is_status_2(void **state)
{
    (void)state;
    run("");
    assert_status(2);
    run("frobnicate");
    assert_refused("no command 'frobnicate'");
    run("replay");
    assert_refused("which trace?");
    run("replay --no-such-option x.slt");
    assert_status(2);
    run("import x");
    assert_refused("-o OUT.slt");
    run("list nonsense");
    assert_refused("no list of 'nonsense'");
}

static void lists_say_what_there_is(void **state)
{
    json_t *list;

    (void)state;
    run("list allocators --json");
    assert_status(0);
    list = json_loads(last.output, 0, NULL);
    assert_true(json_is_array(list));
    assert_true(json_array_size(list) >= 4);
    json_decref(list);
    run("list");
    assert_status(0);
    assert_non_null(strstr(last.output, "magazine.magazine_size"));
    assert_non_null(strstr(last.output, "ticket"));
    assert_non_null(strstr(last.output, "perf-script"));
}

/* ---- wrong input ---- */

static void what_is_no_trace_is_refused(void **state)
{
    (void)state;
    write_file("empty", "", 0);
    write_file("text", "this is no trace\n", 17);
    run("replay @/empty");
    assert_refused("/empty");
    run("replay @/text");
    assert_refused("/text");
    run("replay @");
    assert_refused("directory");
    run("info @/missing.slt");
    assert_refused("/missing.slt");
    run("check @/text");
    assert_refused("/text");
    run("import @/empty -o @/out.slt");
    assert_refused("/empty");
    run("import @/text -o @/out.slt");
    assert_refused("/text");
    assert_int_equal(files_in(folder), 2); /* and no out.slt, not even half of one */
}

static void a_damaged_trace_is_refused_with_its_place(void **state)
{
    char path[128];
    struct stat status;
    char *bytes;
    FILE *file;

    (void)state;
    assert_int_equal(stat(HACKBENCH, &status), 0);
    bytes = malloc((size_t)status.st_size);
    file = fopen(HACKBENCH, "r");
    assert_int_equal(fread(bytes, 1, (size_t)status.st_size, file), status.st_size);
    fclose(file);
    write_file("short.slt", bytes, (size_t)status.st_size / 2);
    bytes[status.st_size / 2] ^= 4;
    write_file("flipped.slt", bytes, (size_t)status.st_size);
    free(bytes);
    run("check @/short.slt");
    assert_refused("short.slt");
    assert_non_null(strstr(last.messages, "byte"));
    run("check @/flipped.slt");
    assert_refused("byte");
    run("replay @/flipped.slt -a null --json @/none.jsonl");
    assert_refused("flipped.slt");
    snprintf(path, sizeof path, "%s/none.jsonl", folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void unknown_names_and_values_are_refused_with_what_there_is(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a nonsense");
    assert_refused("magazine");
    run("replay " HACKBENCH " -a magazine --set magazine.nonsense=1");
    assert_refused("magazine_max");
    run("replay " HACKBENCH " -a magazine --set magazine.magazine_max=0");
    assert_refused("1");
    run("replay " HACKBENCH " -a magazine --set bufctl.color=on");
    assert_refused("bufctl");
    run("replay " HACKBENCH " -a magazine --set nonsense");
    assert_refused("ALLOCATOR.KEY=VALUE");
    run("replay " HACKBENCH " -a malloc:libnonsense.so");
    assert_refused("libnonsense.so");
    run("replay " HACKBENCH " --lock nonsense");
    assert_refused("ticket");
    run("replay " HACKBENCH " --bind nonsense");
    assert_refused("scatter");
    run("replay " HACKBENCH " --bind cpus:9999 -a null");
    assert_refused("9999");
    run("replay " HACKBENCH " --cache nonsense -a null");
    assert_refused("nonsense");
    run("replay " HACKBENCH " --stream 77 -a null");
    assert_refused("77");
    run("replay " HACKBENCH " --pace fast");
    assert_refused("recorded");
    run("replay " HACKBENCH " --magazine-size 8..2");
    assert_refused("8..2");
    run("replay " HACKBENCH " --memory-limit lots");
    assert_refused("lots");
    run("replay " HACKBENCH " -t 0");
    assert_refused("0 is outside");
}

static void auto_and_nothing_are_refused_where_they_mean_nothing(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a null --stream 0,auto");
    assert_refused("auto");
    run("replay " HACKBENCH " -a null --events auto");
    assert_refused("auto");
    run("replay " HACKBENCH " -a null --memory-limit 0");
    assert_refused("--memory-limit");
    run("replay " HACKBENCH " -a null --memory-limit 0K");
    assert_refused("--memory-limit");
}

static void a_magazine_size_and_a_setting_may_not_disagree(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a magazine --magazine-size 3 --set magazine.magazine_size=5");
    assert_refused("magazine_size");
    run("replay " HACKBENCH " -a magazine --magazine-size 2,64 --set magazine.magazine_max=16");
    assert_refused("magazine_max");
    run("replay " HACKBENCH " -a magazine --magazine-size 5 --set magazine.magazine_size=5 "
        "--set magazine.resize=on -t 1 --loops 1 --cold --json -");
    assert_status(0);
    assert_non_null(strstr(last.output, "\"magazine_size\":5"));
    assert_non_null(strstr(last.output, "\"resize\":\"on\""));
    run("replay " HACKBENCH " -a magazine --magazine-size 5 -t 1 --loops 1 --cold --json -");
    assert_non_null(strstr(last.output, "\"resize\":\"off\""));
}

/* Nothing has run: no record, and no table. */
static void assert_nothing_ran(const char *words)
{
    assert_refused(words);
    assert_string_equal(last.output, "");
}

static void what_cannot_run_is_refused_before_the_first_run(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a null,malloc:libnonsense.so --json -");
    assert_nothing_ran("libnonsense.so");
    run("replay " HACKBENCH " -a null,magazine --set magazine.magazine_size=60 "
        "--set magazine.magazine_max=50 --json -");
    assert_nothing_ran("magazine_max");
    run("replay " HACKBENCH " -a null -t 1,3 --oversubscribe --json -");
    assert_nothing_ran("3 threads");
    run("replay " HACKBENCH " -a null -t 1,2 --bind cpus:0 --json -");
    assert_nothing_ran("the binding allows 1");
}

/* How often `words` occur in what was said. */
static unsigned times_said(const char *words)
{
    unsigned count = 0;

    for (const char *at = last.messages; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void a_message_names_its_allocator_once(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a malloc:libnonsense.so");
    assert_int_equal(times_said("malloc:libnonsense.so"), 1);
    run("replay " HACKBENCH " -a magazine --memory-limit 64K -t 1 --loops 1 --cold");
    assert_int_equal(last.status, 1);
    assert_int_equal(times_said("magazine: "), 1);
}

static void runs_that_are_done_are_kept_when_a_later_one_fails(void **state)
{
    char path[128], *records;

    (void)state;
    run("replay " HACKBENCH " -a malloc:libc,magazine --memory-limit 64K -t 1 --loops 1 --cold "
        "--json @/kept.jsonl");
    assert_status(1);
    assert_non_null(strstr(last.output, "malloc:libc"));
    assert_non_null(strstr(last.messages, "1 of 2"));
    snprintf(path, sizeof path, "%s/kept.jsonl", folder);
    records = read_file(path);
    assert_non_null(strstr(records, "\"allocator\":\"malloc:libc\""));
    assert_null(strstr(records, "\"allocator\":\"magazine\""));
    free(records);
}

static void automatic_threads_fit_binding_and_streams(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a null --bind cpus:0 --loops 1 --cold --json -");
    assert_status(0);
    assert_non_null(strstr(last.output, "\"threads\":1,"));
    run("replay " HACKBENCH " -a null --bind cpus:0 --replicas auto --loops 1 --cold --json -");
    assert_status(0);
    assert_non_null(strstr(last.output, "\"threads\":1,"));
    run("replay " HACKBENCH " -a null --bind cpus:0,0,0,0,0 --oversubscribe --replicas 2 --loops 1 "
        "--cold --json -");
    assert_non_null(strstr(last.output, "\"threads\":4,"));
    /* What `auto` comes to is not run twice. */
    run("replay " HACKBENCH " -a null -t 1,auto --bind cpus:0 --loops 1 --cold --json -");
    assert_status(0);
    assert_ptr_equal(strchr(last.output, '\n'), strrchr(last.output, '\n'));
}

static void the_table_says_what_it_made_of_repetitions(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a null -t 1 --loops 1 --cold --repeat 3");
    assert_status(0);
    assert_non_null(strstr(last.output, "medians of the repetitions"));
    assert_non_null(strstr(last.output, " - "));
    run("replay " HACKBENCH " -a null -t 1 --loops 1 --cold");
    assert_null(strstr(last.output, "repetitions"));
}

static void too_many_threads_are_refused_unless_said(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a null -t 3");
    assert_status(2);
    run("replay " HACKBENCH " -a null -t 500 --replicas auto");
    assert_refused("oversubscribe");
    run("replay " HACKBENCH " -a null -t 16 --replicas auto --oversubscribe --loops 1 --json -");
    assert_non_null(strstr(last.output, "\"oversubscribed\":true"));
}

static void an_unwritable_output_leaves_nothing(void **state)
{
    (void)state;
    run("replay " HACKBENCH " -a null --loops 1 --json @/no/such/folder.jsonl");
    assert_true(last.status == 1 || last.status == 2);
    assert_non_null(strstr(last.messages, "/no/such/folder.jsonl"));
    run("replay " HACKBENCH " -a null --loops 1 --json @");
    assert_true(last.status == 1 || last.status == 2);
    run("sweep " HACKBENCH " -a null -o @/no/such/folder");
    assert_true(last.status == 1 || last.status == 2);
}

/* ---- results ---- */

static json_t *only_record(void)
{
    json_t *record = json_loads(last.output, JSON_DISABLE_EOF_CHECK, NULL);

    assert_non_null(record);
    return record;
}

static void a_record_has_the_keys_that_others_rely_on(void **state)
{
    static const char *const keys[] = {"schema",       "allocator", "tunables",
                                       "trace",        "machine",   "threads",
                                       "replicas",     "loops",     "order",
                                       "pace",         "timers",    "touch",
                                       "seed",         "valid",     "invalid_reasons",
                                       "elapsed_ns",   "events",    "events_per_second",
                                       "ns_per_event", "stall_ns",  "failed_allocs",
                                       "ledger",       "locality",  "provenance"};
    static const char *const provenance[] = {"version", "commit",   "host",    "cpu",
                                             "kernel",  "topology", "started", "command"};
    json_t *record;

    (void)state;
    run("replay " HACKBENCH " -a magazine --magazine-size 16 -t 1 --loops 2 --json -");
    assert_status(0);
    record = only_record();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!json_object_get(record, keys[i]))
            fail_msg("no key '%s'", keys[i]);
    }
    for (size_t i = 0; i < sizeof provenance / sizeof provenance[0]; i++) {
        if (!json_object_get(json_object_get(record, "provenance"), provenance[i]))
            fail_msg("no key 'provenance.%s'", provenance[i]);
    }
    assert_string_equal(json_string_value(json_object_get(record, "schema")), "slablab.run/1");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(record, "tunables"), "magazine_size")),
        16);
    assert_int_equal(json_integer_value(json_object_get(record, "loops")), 2);
    /* What this build does not measure is absent, never zero. */
    assert_null(json_object_get(record, "locks"));
    json_decref(record);
}

static void external_memory_has_no_ledger(void **state)
{
    json_t *record;

    (void)state;
    run("replay " HACKBENCH " -a malloc:libc -t 1 --loops 1 --json -");
    assert_status(0);
    record = only_record();
    assert_null(json_object_get(record, "ledger"));
    json_decref(record);
}

static void standard_input_and_output_will_do(void **state)
{
    char command[512];

    (void)state;
    snprintf(command, sizeof command,
             "cat %s | %s replay - -a null -t 1,2 --loops 1 --json - | wc -l | grep -qx 2",
             HACKBENCH, program);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "cat %s | %s check - | grep -q whole", HACKBENCH, program);
    assert_int_equal(system(command), 0);
}

/* jemalloc wants more thread-local space than a process has left: it starts anew, once, in time. */
static void a_library_that_wants_a_process_of_its_own_gets_it(void **state)
{
    char command[512];

    (void)state;
    run("replay " HACKBENCH " -a malloc:libjemalloc.so.2 -t 1 --events 1 --cold --loops 1");
    if (last.status == 2)
        skip();
    snprintf(command, sizeof command,
             "cat %s | %s replay - -a null,malloc:libjemalloc.so.2 -t 1 --loops 1 --cold --json - "
             "| wc -l | grep -qx 2",
             HACKBENCH, program);
    assert_int_equal(system(command), 0);
}

static void a_foreign_topology_is_invalid_and_says_so(void **state)
{
    (void)state;
    setenv("HWLOC_SYNTHETIC", "numa:2 core:2 pu:1", 1);
    run("replay " HACKBENCH " -a null -t 2 --loops 1 --json -");
    assert_status(1);
    assert_non_null(strstr(last.output, "\"bound\":false"));
    assert_non_null(strstr(last.output, "\"valid\":false"));
    assert_non_null(strstr(last.messages, "not bound"));
    run("replay " HACKBENCH " -a null -t 2 --loops 1 --bind none --json -");
    assert_status(0);
    unsetenv("HWLOC_SYNTHETIC");
}

/* ---- sweeps ---- */

static unsigned lines_of(const char *name)
{
    char path[128];
    unsigned lines = 0;
    char *text;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    text = read_file(path);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    free(text);
    return lines;
}

#define SWEEP                                                                                      \
    "sweep " HACKBENCH " -a null,magazine --magazine-size 2,8 -t 1,2 --loops 1 --cold -n 2 "

static void a_sweep_runs_every_cell_and_can_be_drawn(void **state)
{
    char *before, *after;

    (void)state;
    run(SWEEP "-o @/sweep");
    assert_status(0);
    assert_int_equal(lines_of("sweep/runs.jsonl"), (1 + 2) * 2 * 2);
    run("plot @/sweep");
    assert_status(0);
    assert_non_null(strstr(last.output, "hackbench-throughput-over-magazine-2-threads.svg"));
    assert_non_null(strstr(last.output, "hackbench-throughput-over-threads.svg"));
    before = read_file(last.output[0] ? strtok(last.output, "\n") : "");
    assert_true(strlen(before) > 1000);
    run("plot @/sweep"); /* the same data give the same bytes */
    after = read_file(strtok(last.output, "\n"));
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void a_sweep_is_not_overwritten_but_resumed(void **state)
{
    char command[512];

    (void)state;
    run(SWEEP "-o @/again");
    assert_status(0);
    run(SWEEP "-o @/again");
    assert_refused("--resume");
    /* A kill leaves fewer lines, and the last one broken. */
    snprintf(command, sizeof command,
             "cd %s/again && head -n 5 runs.jsonl >x && head -n 6 runs.jsonl | tail -n 1 | "
             "head -c 100 >>x && mv x runs.jsonl",
             folder);
    assert_int_equal(system(command), 0);
    run(SWEEP "-o @/again --resume");
    assert_status(0);
    assert_int_equal(lines_of("again/runs.jsonl"), 12);
    snprintf(command, sizeof command,
             "grep -o '\"cell\":\"[^\"]*\"' %s/again/runs.jsonl | sort -u | wc -l | grep -qx 12",
             folder);
    assert_int_equal(system(command), 0);
}

static void a_killed_sweep_loses_at_most_the_run_in_flight(void **state)
{
    char path[128];
    pid_t child;
    int status;

    (void)state;
    snprintf(path, sizeof path, "%s/killed", folder);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 2);
        execl(program, program, "sweep", HACKBENCH, "-a", "null,magazine", "--magazine-size", "2,8",
              "-t", "1,2", "--loops", "1", "--cold", "-n", "2", "-o", path, NULL);
        _exit(127);
    }
    while (lines_of("killed/runs.jsonl") < 3)
        usleep(1000);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    run(SWEEP "-o @/killed --resume");
    assert_status(0);
    assert_int_equal(lines_of("killed/runs.jsonl"), 12);
}

/* Runs a shell command in the sources' folder, @ as in run(). */
static void shell(const char *text)
{
    char command[2048] = "";

    for (const char *c = text; *c; c++) {
        size_t used = strlen(command);

        if (*c == '@')
            strcat(command, folder);
        else
            command[used] = *c, command[used + 1] = '\0';
    }
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

#define SMALL " -a null -t 1 --loops 1 --cold --events 1000 -n 1 "

static void a_sweep_is_not_resumed_as_another(void **state)
{
    (void)state;
    shell("cp " HACKBENCH " @/trace.slt");
    run("sweep @/trace.slt --touch first" SMALL "-o @/mine");
    assert_status(0);
    /* The same, in another order. */
    run("sweep --touch=first -o @/mine" SMALL "--resume @/trace.slt");
    assert_status(0);
    assert_int_equal(lines_of("mine/runs.jsonl"), 1);
    run("sweep @/trace.slt --touch all" SMALL "-o @/mine --resume");
    assert_refused("--touch=first");
    assert_non_null(strstr(last.messages, "--touch=all"));
    run("sweep @/trace.slt" SMALL "-o @/mine --resume");
    assert_refused("--touch=first");
    run("sweep @/trace.slt --touch first" SMALL "-n 2 -o @/mine --resume");
    assert_refused("-n 1");
    run("sweep @/trace.slt --touch first --seed 9" SMALL "-o @/mine --resume");
    assert_refused("--seed");
    run("sweep @/trace.slt " HACKBENCH " --touch first" SMALL "-o @/mine --resume");
    assert_refused(HACKBENCH);
    run("sweep " HACKBENCH " --touch first" SMALL "-o @/mine --resume");
    assert_refused(HACKBENCH);
    shell("cp traces/samples/find.slt @/trace.slt");
    run("sweep @/trace.slt --touch first" SMALL "-o @/mine --resume");
    assert_refused("digest");
    shell("cp " HACKBENCH " @/trace.slt; rm @/mine/sweep.json");
    run("sweep @/trace.slt --touch first" SMALL "-o @/mine --resume");
    assert_refused("sweep.json");
    assert_int_equal(lines_of("mine/runs.jsonl"), 1);
}

#define FAILING "-a malloc:libc,magazine -t 1 --memory-limit 64K --loops 1 --cold -n 1 "

static void failed_runs_are_tried_again_and_count_until_they_succeed(void **state)
{
    (void)state;
    run("sweep " HACKBENCH " " FAILING "-o @/failing");
    assert_status(1);
    assert_int_equal(lines_of("failing/runs.jsonl"), 2);
    assert_null(strstr(last.messages, "slablab: magazine: ")); /* one prefix a message */
    run("sweep " HACKBENCH " " FAILING "-o @/failing --resume");
    assert_status(1);
    assert_int_equal(lines_of("failing/runs.jsonl"), 3);
    run("plot @/failing");
    assert_non_null(strstr(last.messages, "1 that failed")); /* one run, though tried twice */

    /* Invalid at first, since the topology is a foreign one. */
    setenv("HWLOC_SYNTHETIC", "numa:1 core:2 pu:1", 1);
    run(SWEEP "-o @/invalid");
    unsetenv("HWLOC_SYNTHETIC");
    assert_status(1);
    assert_non_null(strstr(last.messages, "12 of them"));
    run("plot @/invalid");
    assert_refused("no valid run");
    run(SWEEP "-o @/invalid --resume");
    assert_status(0);
    assert_int_equal(lines_of("invalid/runs.jsonl"), 24);
    run("plot @/invalid");
    assert_status(0);
    assert_null(strstr(last.messages, "left out"));
}

static void what_no_run_could_do_stops_a_sweep_before_it_begins(void **state)
{
    char path[128];

    (void)state;
    shell("head -c 100000 " HACKBENCH " > @/half.slt");
    run("sweep @/half.slt" SMALL "-o @/never");
    assert_refused("half.slt");
    run("sweep " HACKBENCH " --order trace --replicas 2" SMALL "-o @/never");
    assert_refused("--replicas");
    run("sweep " HACKBENCH " -a malloc:libnonsense.so -o @/never");
    assert_refused("libnonsense.so");
    run("sweep " HACKBENCH " --bind cpus:0 -a null -t 2 -o @/never");
    assert_refused("the binding allows 1");
    run("sweep " HACKBENCH " " HACKBENCH SMALL "-o @/never");
    assert_refused("twice");
    snprintf(path, sizeof path, "%s/never", folder);
    assert_int_equal(access(path, F_OK), -1);
}

/* Names with commas are names, and what gnuplot or a shell could take amiss stays out of theirs. */
static void odd_names_of_traces_make_plain_names_of_pictures(void **state)
{
    (void)state;
    shell("cp " HACKBENCH " '@/od`d, \"n\\ame'\\''.slt'");
    run("sweep '@/od`d, \"n\\ame'\\''.slt' -a null,malloc:libc -t 1,2 --loops 1 --cold "
        "--events 1000 -n 1 -o @/odd");
    assert_status(0);
    run("plot @/odd");
    assert_status(0);
    assert_non_null(strstr(last.output, "/od-d---n-ame--throughput-over-threads.svg"));
    shell("test -s @/odd/plots/od-d---n-ame--throughput-over-threads.svg");
    shell("! cat @/odd/plots/*.gp | grep '_text = ' | grep '[\"`\\\\]'");
}

static void traces_of_one_name_have_pictures_of_their_own(void **state)
{
    (void)state;
    shell("mkdir @/one @/two && cp " HACKBENCH " @/one/same.slt && "
          "cp traces/samples/find.slt @/two/same.slt");
    run("sweep @/one/same.slt @/two/same.slt -a null -t 1,2 --loops 1 --cold --events 1000 -n 1 "
        "-o @/twins");
    assert_status(0);
    run("plot @/twins");
    assert_status(0);
    assert_non_null(strstr(last.output, "/same-throughput-over-threads.svg"));
    assert_non_null(strstr(last.output, "/same-2-throughput-over-threads.svg"));
}

/* The program alone, then with share/ beside its folder. */
static void an_installation_may_be_moved(void **state)
{
    const char *before = program;
    char moved[128], command[512];

    (void)state;
    run("sweep " HACKBENCH " -a null -t 1,2 --loops 1 --cold --events 1000 -n 1 -o @/few");
    assert_status(0);
    snprintf(moved, sizeof moved, "%s/root/bin/slablab", folder);
    shell("mkdir -p @/root/bin @/root/share/slablab");
    snprintf(command, sizeof command, "cp %s %s", program, moved);
    assert_int_equal(system(command), 0);
    program = moved;
    run("plot @/few");
    if (last.status != 0) { /* unless slablab is installed here */
        assert_status(1);
        assert_non_null(strstr(last.messages, "gnuplot scripts are neither"));
    }
    shell("cp -r tools/plots @/root/share/slablab/plots && "
          "echo '# moved' >>@/root/share/slablab/plots/style.gp");
    run("plot @/few");
    assert_status(0);
    shell("grep -q '# moved' @/few/plots/style.gp");
    program = before;
}

/* Waits for a replay's half-written records, then ends it: nothing is left. */
static void an_interrupted_replay_leaves_nothing(void **state)
{
    char path[128], target[160];
    pid_t child;
    int status;

    (void)state;
    snprintf(path, sizeof path, "%s/interrupted", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(target, sizeof target, "%s/runs.jsonl", path);
    child = fork();
    if (child == 0) {
        execl(program, program, "replay", HACKBENCH, "-a", "null", "-t", "1", "--loops", "1000000",
              "--json", target, NULL);
        _exit(127);
    }
    while (files_in(path) == 0)
        usleep(1000);
    usleep(50000);
    kill(child, SIGINT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_int_equal(files_in(path), 0);
}

static void a_sweep_of_a_missing_trace_does_not_begin(void **state)
{
    char path[128];

    (void)state;
    run("sweep @/missing.slt -a null -o @/none");
    assert_refused("missing.slt");
    snprintf(path, sizeof path, "%s/none", folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_not_there_is_not_gone_on_with(void **state)
{
    (void)state;
    run(SWEEP "-o @/typo --resume");
    assert_refused("nothing to go on with");
}

static void a_recording_is_not_written_over(void **state)
{
    static const char perf_data[] = "PERFILE2 and so on";
    char path[128];
    char *kept;

    (void)state;
    write_file("perf.data", perf_data, sizeof perf_data - 1);
    run("import @/perf.data -o @/perf.data");
    assert_refused("one file");
    snprintf(path, sizeof path, "%s/perf.data", folder);
    kept = read_file(path);
    assert_string_equal(kept, perf_data);
    free(kept);
    run("import @/perf.data -o @/perf.slt");
    assert_refused("perf script");
    run("import " HACKBENCH " -o @/again.slt");
    assert_refused("trace already");
    unlink(path);
}

static void nothing_to_draw_is_said(void **state)
{
    (void)state;
    run("sweep " HACKBENCH " -a null -t 1 --loops 1 --cold -n 1 -o @/single");
    assert_status(0);
    run("plot @/single");
    assert_refused("nothing to draw");
    run("plot @/nowhere");
    assert_refused("nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_version_are_there),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(lists_say_what_there_is),
        cmocka_unit_test(what_is_no_trace_is_refused),
        cmocka_unit_test(a_damaged_trace_is_refused_with_its_place),
        cmocka_unit_test(unknown_names_and_values_are_refused_with_what_there_is),
        cmocka_unit_test(auto_and_nothing_are_refused_where_they_mean_nothing),
        cmocka_unit_test(a_magazine_size_and_a_setting_may_not_disagree),
        cmocka_unit_test(what_cannot_run_is_refused_before_the_first_run),
        cmocka_unit_test(a_message_names_its_allocator_once),
        cmocka_unit_test(runs_that_are_done_are_kept_when_a_later_one_fails),
        cmocka_unit_test(automatic_threads_fit_binding_and_streams),
        cmocka_unit_test(the_table_says_what_it_made_of_repetitions),
        cmocka_unit_test(too_many_threads_are_refused_unless_said),
        cmocka_unit_test(an_unwritable_output_leaves_nothing),
        cmocka_unit_test(a_record_has_the_keys_that_others_rely_on),
        cmocka_unit_test(external_memory_has_no_ledger),
        cmocka_unit_test(standard_input_and_output_will_do),
        cmocka_unit_test(a_library_that_wants_a_process_of_its_own_gets_it),
        cmocka_unit_test(a_foreign_topology_is_invalid_and_says_so),
        cmocka_unit_test(a_sweep_runs_every_cell_and_can_be_drawn),
        cmocka_unit_test(a_sweep_is_not_overwritten_but_resumed),
        cmocka_unit_test(a_killed_sweep_loses_at_most_the_run_in_flight),
        cmocka_unit_test(a_sweep_is_not_resumed_as_another),
        cmocka_unit_test(failed_runs_are_tried_again_and_count_until_they_succeed),
        cmocka_unit_test(what_no_run_could_do_stops_a_sweep_before_it_begins),
        cmocka_unit_test(odd_names_of_traces_make_plain_names_of_pictures),
        cmocka_unit_test(traces_of_one_name_have_pictures_of_their_own),
        cmocka_unit_test(an_installation_may_be_moved),
        cmocka_unit_test(an_interrupted_replay_leaves_nothing),
        cmocka_unit_test(a_sweep_of_a_missing_trace_does_not_begin),
        cmocka_unit_test(what_is_not_there_is_not_gone_on_with),
        cmocka_unit_test(a_recording_is_not_written_over),
        cmocka_unit_test(nothing_to_draw_is_said),
    };

    return cmocka_run_group_tests_name("cli", tests, set_up, tear_down);
}
