/* SPDX-License-Identifier: MIT */
/*
 * Records of kmem events, see kmem_raw.h. Kernels differ in which fields there are, where, and how
 * wide; in what the bits of GFP flags mean too, which the format of the event tells as well: it
 * holds the table by which the kernel prints them. So flags come out as they do of the text.
 */
#include "traces/import/kmem_raw.h"

#include "sim/array.h"
#include "sim/error.h"
#include "traces/intern.h"

#include <byteswap.h>
#include <errno.h>
#include <event-parse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kmem_raw_field {
    uint16_t offset;
    uint8_t size;  /* 1, 2, 4 or 8 bytes; 0: the event has no such field */
    bool relative; /* of a name: it counts from the field's end */
};

/* The layout of one event's records. */
struct kmem_raw_format {
    const struct kmem_event_kind *kind;
    size_t size; /* the least that a record has */
    struct kmem_raw_field pid, pointer, site, requested, allocated, flags, node, name;
};

/* One row of the kernel's table of GFP flags: first come, first printed. */
struct kmem_raw_flag {
    uint64_t mask;
    uint16_t means; /* enum trace_type_flags */
};

struct kmem_raw_known_flags {
    uint64_t gfp;
    uint16_t flags;
    bool known;
};

enum { KMEM_RAW_FORMATS = 8, KMEM_RAW_IDS = 1 << 16, KMEM_RAW_FLAGS = 96, KMEM_RAW_KNOWN = 256 };

struct kmem_raw {
    bool swap; /* the recorded machine's bytes go the other way round */
    struct kmem_raw_field type;
    struct kmem_raw_format formats[KMEM_RAW_FORMATS];
    size_t nr_formats;
    uint8_t by_id[KMEM_RAW_IDS]; /* number of the format + 1, or 0 */
    struct kmem_raw_flag flags[KMEM_RAW_FLAGS];
    size_t nr_flags;
    struct kmem_raw_known_flags known[KMEM_RAW_KNOWN]; /* by their hash: they repeat */

    kmem_raw_namer namer;
    void *namer_context;
    int32_t streams[KMEM_MAX_CPUS];
    struct intern addresses; /* of call sites */
    uint32_t *sites;         /* the join's, by number of the address */
    size_t room_sites;
};

/* ---- formats ---- */

static int kmem_raw_wrong_field(const struct tep_event *event, const char *name,
                                struct error *error)
{
    return error_set(error, EINVAL,
                     "the format of the event %s has no field %s that can be read; expected one "
                     "such as Linux 4.0 or later has",
                     event->name, name);
}

/* -ENOENT: there is none. */
static int kmem_raw_find_field(struct tep_event *event, const char *name,
                               struct kmem_raw_field *found, struct kmem_raw_format *format,
                               struct error *error)
{
    const struct tep_format_field *field = tep_find_any_field(event, name);

    if (!field)
        return -ENOENT;
    if (field->offset < 0 || field->offset > UINT16_MAX ||
        (field->size != 1 && field->size != 2 && field->size != 4 && field->size != 8))
        return kmem_raw_wrong_field(event, name, error);
    found->offset = (uint16_t)field->offset;
    found->size = (uint8_t)field->size;
    found->relative = field->flags & TEP_FIELD_IS_RELATIVE;
    if (format->size < (size_t)found->offset + found->size)
        format->size = (size_t)found->offset + found->size;
    return 0;
}

static int kmem_raw_find_name(struct tep_event *event, struct kmem_raw_format *format,
                              struct error *error)
{
    const struct tep_format_field *field = tep_find_any_field(event, "name");

    if (format->kind->untyped || !field)
        return 0;
    if (!(field->flags & TEP_FIELD_IS_DYNAMIC) || field->size != 4)
        return kmem_raw_wrong_field(event, "name", error);
    return kmem_raw_find_field(event, "name", &format->name, format, error);
}

static int kmem_raw_find_fields(struct tep_event *event, struct kmem_raw_format *format,
                                struct kmem_raw_field *type, struct error *error)
{
    const struct {
        const char *name;
        struct kmem_raw_field *field;
        bool of_alloc, needed;
    } wanted[] = {
        {"common_type", type, false, true},
        {"common_pid", &format->pid, false, true},
        {"ptr", &format->pointer, false, true},
        {"call_site", &format->site, false, false},
        {"bytes_req", &format->requested, true, true},
        {"bytes_alloc", &format->allocated, true, true},
        {"gfp_flags", &format->flags, true, false},
        {"node", &format->node, true, false},
    };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int code;

        if (wanted[i].of_alloc && format->kind->kind != SPILL_ALLOC)
            continue;
        code = kmem_raw_find_field(event, wanted[i].name, wanted[i].field, format, error);
        if (code == -ENOENT && wanted[i].needed)
            code = kmem_raw_wrong_field(event, wanted[i].name, error);
        if (code && code != -ENOENT)
            return code;
    }
    return kmem_raw_find_name(event, format, error);
}

/* The flags that an expression of the print format prints, or NULL. */
static const struct tep_print_flag_sym *kmem_raw_printed_flags(const struct tep_print_arg *arg)
{
    const struct tep_print_flag_sym *found;

    if (!arg)
        return NULL;
    switch (arg->type) {
    case TEP_PRINT_FLAGS:
        return arg->flags.flags;
    case TEP_PRINT_TYPE:
        return kmem_raw_printed_flags(arg->typecast.item);
    case TEP_PRINT_OP:
        found = kmem_raw_printed_flags(arg->op.left);
        return found ? found : kmem_raw_printed_flags(arg->op.right);
    default:
        return NULL;
    }
}

static void kmem_raw_take_flags(struct kmem_raw *raw, const struct tep_event *event)
{
    const struct tep_print_flag_sym *flag = NULL;

    for (const struct tep_print_arg *arg = event->print_fmt.args; arg && !flag; arg = arg->next)
        flag = kmem_raw_printed_flags(arg);
    for (; flag && raw->nr_flags < KMEM_RAW_FLAGS; flag = flag->next) {
        uint64_t mask = flag->value ? strtoull(flag->value, NULL, 0) : 0;

        if (mask && flag->str)
            raw->flags[raw->nr_flags++] = (struct kmem_raw_flag){
                mask,
                kmem_type_flags((struct text){flag->str, flag->str + strlen(flag->str)}),
            };
    }
}

static int kmem_raw_add_format(struct kmem_raw *raw, struct tep_event *event, struct error *error)
{
    struct text name = {event->name, event->name + strlen(event->name)};
    struct kmem_raw_format *format = &raw->formats[raw->nr_formats];
    const struct kmem_event_kind *kind = kmem_find_kind(name);
    int code;

    if (!kind || event->id < 0 || event->id >= KMEM_RAW_IDS || raw->nr_formats == KMEM_RAW_FORMATS)
        return 0;
    format->kind = kind;
    code = kmem_raw_find_fields(event, format, &raw->type, error);
    if (code)
        return code;
    raw->by_id[event->id] = (uint8_t)++raw->nr_formats;
    if (!raw->nr_flags && kind->kind == SPILL_ALLOC)
        kmem_raw_take_flags(raw, event);
    return 0;
}

int kmem_raw_create(struct kmem_raw **created, struct tep_handle *tep, struct error *error)
{
    struct kmem_raw *raw = calloc(1, sizeof *raw);
    int code = 0;

    if (!raw)
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    raw->swap = tep_is_file_bigendian(tep) != tep_is_local_bigendian(tep);
    for (int i = 0; i < tep_get_events_count(tep) && !code; i++) {
        struct tep_event *event = tep_get_event(tep, i);

        if (event && event->system && !strcmp(event->system, "kmem"))
            code = kmem_raw_add_format(raw, event, error);
    }
    if (!code && !raw->nr_formats)
        code = error_set(error, ENOENT,
                         "no format of a kmem event; expected kmem:kmalloc, kmem:kfree, "
                         "kmem:kmem_cache_alloc or kmem:kmem_cache_free");
    if (code)
        kmem_raw_destroy(raw);
    else
        *created = raw;
    return code;
}

void kmem_raw_destroy(struct kmem_raw *raw)
{
    if (!raw)
        return;
    intern_cleanup(&raw->addresses);
    free(raw->sites);
    free(raw);
}

/* ---- records ---- */

static uint64_t kmem_raw_number(const struct kmem_raw *raw, const char *data,
                                struct kmem_raw_field field)
{
    uint64_t eight;
    uint32_t four;
    uint16_t two;

    switch (field.size) {
    case 1:
        return (uint8_t)data[field.offset];
    case 2:
        memcpy(&two, data + field.offset, sizeof two);
        return raw->swap ? bswap_16(two) : two;
    case 4:
        memcpy(&four, data + field.offset, sizeof four);
        return raw->swap ? bswap_32(four) : four;
    case 8:
        memcpy(&eight, data + field.offset, sizeof eight);
        return raw->swap ? bswap_64(eight) : eight;
    default:
        return 0;
    }
}

/* As the kernel prints them: a row takes its bits away from the rows after it. */
static uint16_t kmem_raw_type_flags(struct kmem_raw *raw, uint64_t gfp)
{
    struct kmem_raw_known_flags *known =
        &raw->known[(gfp * 0x9e3779b97f4a7c15u) >> 32 & (KMEM_RAW_KNOWN - 1)];
    uint64_t left = gfp;

    if (known->known && known->gfp == gfp)
        return known->flags;
    *known = (struct kmem_raw_known_flags){.gfp = gfp, .known = true};
    for (size_t i = 0; i < raw->nr_flags; i++) {
        if ((left & raw->flags[i].mask) == raw->flags[i].mask) {
            known->flags |= raw->flags[i].means;
            left &= ~raw->flags[i].mask;
        }
    }
    return known->flags;
}

/* Of a field that says where in the record a text lies: 16 bits of offset, 16 of length. */
static int kmem_raw_decode_name(const struct kmem_raw *raw, const char *data, size_t size,
                                struct kmem_raw_field field, struct kmem_raw_event *event)
{
    uint32_t place = (uint32_t)kmem_raw_number(raw, data, field);
    size_t offset = place & UINT16_MAX, length = place >> 16;

    if (field.relative)
        offset += field.offset + field.size;
    if (offset > size || length > size - offset)
        return -EINVAL;
    event->name = data + offset;
    event->name_length = strnlen(data + offset, length);
    return 0;
}

static int kmem_raw_decode_alloc(struct kmem_raw *raw, const struct kmem_raw_format *format,
                                 const char *data, struct kmem_raw_event *event)
{
    int32_t node = TRACE_ANY_NODE;

    event->requested = kmem_raw_number(raw, data, format->requested);
    event->allocated = kmem_raw_number(raw, data, format->allocated);
    event->flags = kmem_raw_type_flags(raw, kmem_raw_number(raw, data, format->flags));
    if (format->node.size)
        node = (int32_t)kmem_raw_number(raw, data, format->node);
    event->node = (int16_t)node;
    return node >= TRACE_ANY_NODE && node <= INT16_MAX ? 0 : -EINVAL;
}

int kmem_raw_decode(struct kmem_raw *raw, const void *record, size_t size,
                    struct kmem_raw_event *event)
{
    const struct kmem_raw_format *format;
    const char *data = record;
    size_t number;
    int code = 0;

    if (size < (size_t)raw->type.offset + raw->type.size)
        return -EINVAL;
    number = raw->by_id[kmem_raw_number(raw, data, raw->type) & (KMEM_RAW_IDS - 1)];
    if (!number)
        return 0;
    format = &raw->formats[number - 1];
    if (size < format->size)
        return -EINVAL;
    *event = (struct kmem_raw_event){
        .kind = format->kind,
        .pid = (int32_t)kmem_raw_number(raw, data, format->pid),
        .pointer = kmem_raw_number(raw, data, format->pointer),
        .call_site = kmem_raw_number(raw, data, format->site),
    };
    if (format->kind->kind == SPILL_ALLOC)
        code = kmem_raw_decode_alloc(raw, format, data, event);
    if (!code && format->name.size)
        code = kmem_raw_decode_name(raw, data, size, format->name, event);
    return code ? code : 1;
}

/* ---- events to what a join takes ---- */

void kmem_raw_set_namer(struct kmem_raw *raw, kmem_raw_namer namer, void *context)
{
    raw->namer = namer;
    raw->namer_context = context;
}

static int64_t kmem_raw_site(struct kmem_raw *raw, struct join *join, uint64_t address)
{
    size_t before = raw->addresses.count;
    int64_t number = intern_add(&raw->addresses, &address, sizeof address), site;
    char name[KMEM_MAX_NAME];
    size_t length;

    if (number < 0 || raw->addresses.count == before)
        return number < 0 ? number : raw->sites[number];
    if (array_grow((void **)&raw->sites, &raw->room_sites, raw->addresses.count,
                   sizeof *raw->sites))
        return -ENOMEM;
    if (raw->namer)
        length = raw->namer(raw->namer_context, address, name, sizeof name);
    else
        length = (size_t)snprintf(name, sizeof name, "0x%llx", (unsigned long long)address);
    site = join_site(join, name, length);
    if (site >= 0)
        raw->sites[number] = (uint32_t)site;
    return site;
}

/* JOIN_NO_NAME: the event names none. */
static int64_t kmem_raw_cache(struct join *join, const struct kmem_raw_event *event)
{
    if (!event->name)
        return JOIN_NO_NAME;
    if (!event->name_length || event->name_length > KMEM_MAX_NAME)
        return -EINVAL;
    return join_cache(join, event->name, event->name_length);
}

static int64_t kmem_raw_type(struct join *join, const struct kmem_raw_event *event, int64_t cache)
{
    const struct trace_type type = {
        .cache = event->kind->untyped    ? TRACE_UNTYPED
                 : cache == JOIN_NO_NAME ? JOIN_UNKNOWN
                                         : (uint32_t)cache,
        .size = event->requested,
        .recorded_size = event->allocated,
        .node = event->node,
        .flags = event->flags,
    };

    return join_type(join, &type);
}

int kmem_raw_add(struct kmem_raw *raw, struct join *join, uint32_t cpu, uint64_t time_ns,
                 const struct kmem_raw_event *event)
{
    int64_t stream = cpu < KMEM_MAX_CPUS ? kmem_cpu_stream(join, raw->streams, cpu) : -EINVAL;
    int64_t site = event->call_site ? kmem_raw_site(raw, join, event->call_site) : 0;
    int64_t cache = kmem_raw_cache(join, event), type = 0;
    struct join_event added = {.time_ns = time_ns, .address = event->pointer};

    if (cache >= 0 && event->kind->kind == SPILL_ALLOC)
        type = kmem_raw_type(join, event, cache);
    if (stream < 0 || cache < 0 || site < 0 || type < 0)
        return (int)(stream < 0 ? stream : cache < 0 ? cache : site < 0 ? site : type);
    added.stream = (uint32_t)stream;
    added.type = (uint32_t)type;
    added.cache = (uint32_t)cache;
    added.site = (uint32_t)site;
    return join_add(join, event->kind->kind, &added);
}
