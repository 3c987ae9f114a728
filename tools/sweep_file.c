/* SPDX-License-Identifier: MIT */
/* What a sweep was asked for: written, read back, compared. */
#include "tools/sweep_file.h"

#include "sim/error.h"
#include "tools/list_option.h"
#include "traces/outfile.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By name, what comes behind "=" apart. */
static int compare_names(const char *a, const char *b)
{
    size_t length_a = strcspn(a, "="), length_b = strcspn(b, "=");
    int order = strncmp(a, b, length_a < length_b ? length_a : length_b);

    return order ? order : (length_a > length_b) - (length_a < length_b);
}

/* By insertion, which keeps the order of several options of one name. -ENOMEM. */
static int options_insert(json_t *sorted, const struct word_list *given)
{
    for (size_t i = 0; i < given->count; i++) {
        const char *word = given->words[i];
        size_t at = json_array_size(sorted);

        while (at > 0 && compare_names(json_string_value(json_array_get(sorted, at - 1)), word) > 0)
            at--;
        if (json_array_insert_new(sorted, at, json_string(word)) != 0)
            return -ENOMEM;
    }
    return 0;
}

json_t *sweep_description(const struct word_list *options, const struct word_list *machines,
                          json_t *digests, uint64_t seed, const struct sweep_request *request,
                          json_t *environment)
{
    json_t *sorted = json_array(), *description;

    if (!sorted || options_insert(sorted, options) != 0 || options_insert(sorted, machines) != 0) {
        json_decref(sorted);
        return NULL;
    }
    description = json_pack("{s:s, s:s, s:o, s:O, s:I, s:b}", "schema", SWEEP_SCHEMA, "commit",
                            SLABLAB_COMMIT, "options", sorted, "traces", digests, "seed",
                            (json_int_t)seed, "compare_itself", request->compare_itself);
    if (!description)
        return NULL;
    if (request->until)
        json_object_set_new(description, "until", json_string(request->until));
    else
        json_object_set_new(description, "repeats", json_integer((json_int_t)request->repeats));
    if (request->runs)
        json_object_set_new(description, "runs", json_integer((json_int_t)request->runs));
    if (request->shard)
        json_object_set_new(description, "shard", json_string(request->shard));
    json_object_set(description, "environment", environment);
    return description;
}

static int file_path(const char *folder, char **path, struct error *error)
{
    if (asprintf(path, "%s/%s", folder, SWEEP_FILE_NAME) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    return 0;
}

int sweep_file_write(const char *folder, const json_t *description, struct error *error)
{
    struct outfile file;
    char *path;
    int code = file_path(folder, &path, error);

    if (code)
        return code;
    code = outfile_open(&file, path, error);
    free(path);
    if (code)
        return code;
    if (json_dumpf(description, file.stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0) {
        outfile_discard(&file);
        return error_set(error, EIO, "%s/%s: cannot write", folder, SWEEP_FILE_NAME);
    }
    fputc('\n', file.stream);
    return outfile_commit(&file, error);
}

int sweep_file_read(const char *folder, json_t **description, struct error *error)
{
    json_error_t reason;
    char *path;
    int code = file_path(folder, &path, error);

    *description = NULL;
    if (code)
        return code;
    if (access(path, F_OK) != 0) {
        bool nothing = errno == ENOENT || errno == ENOTDIR; /* or a file of runs alone */

        code = error_set(error, nothing ? ENOENT : errno, "%s: %s", path, strerror(errno));
    } else if (!(*description = json_load_file(path, 0, &reason))) {
        code = error_set(error, EINVAL, "%s: line %d: %s", path, reason.line, reason.text);
    } else if (!json_is_array(json_object_get(*description, "options")) ||
               json_object_size(json_object_get(*description, "traces")) == 0) {
        code = error_set(error, EINVAL, "%s: expected options and traces", path);
        json_decref(*description);
        *description = NULL;
    }
    free(path);
    return code;
}

static int arguments_add_traces(const json_t *traces, struct word_list *words)
{
    const char *trace;
    json_t *digest;
    int code = 0;

    json_object_foreach((json_t *)traces, trace, digest) code =
        code ? code : word_list_add(words, "%s", trace);
    return code;
}

/* Is there one that stands for an option where it is not behind a `--`? */
static bool traces_look_like_options(const json_t *traces)
{
    const char *trace;
    json_t *digest;

    json_object_foreach((json_t *)traces, trace, digest)
    {
        if (*trace == '-')
            return true;
    }
    return false;
}

/* "--until=2%,30", if the description has such a text. */
static int arguments_add_text(const json_t *description, const char *key, struct word_list *words)
{
    const char *text = json_string_value(json_object_get(description, key));

    return text ? word_list_add(words, "--%s=%s", key, text) : 0;
}

int sweep_file_arguments(const json_t *description, const char *folder, struct word_list *words)
{
    const json_t *traces = json_object_get(description, "traces"), *option;
    json_int_t repeats = json_integer_value(json_object_get(description, "repeats"));
    bool behind = traces_look_like_options(traces);
    int code = behind ? 0 : arguments_add_traces(traces, words);
    size_t i;

    json_array_foreach(json_object_get(description, "options"), i, option)
    {
        if (code == 0 && json_is_string(option))
            code = word_list_add(words, "%s", json_string_value(option));
    }
    if (code == 0 && repeats > 0) {
        code = word_list_add(words, "-n");
        code = code ? code : word_list_add(words, "%lld", (long long)repeats);
    }
    if (code == 0)
        code = arguments_add_text(description, "until", words);
    if (code == 0)
        code = arguments_add_text(description, "shard", words);
    if (code == 0 && json_is_false(json_object_get(description, "compare_itself")))
        code = word_list_add(words, "--no-aa");
    if (code == 0)
        code = word_list_add(words, "-o");
    if (code == 0)
        code = word_list_add(words, "%s", folder);
    if (code == 0 && behind)
        code = word_list_add(words, "--");
    return code || !behind ? code : arguments_add_traces(traces, words);
}

/* A word of `words` that is not among `others`, or NULL. */
static const char *extra_word(const json_t *words, const json_t *others)
{
    const json_t *word, *other;
    size_t i, j;

    json_array_foreach(words, i, word)
    {
        bool found = false;

        json_array_foreach(others, j, other) found |= json_equal(word, other);
        if (!found)
            return json_string_value(word);
    }
    return NULL;
}

static int compare_options(const char *folder, const json_t *then, const json_t *now,
                           struct error *error)
{
    const char *dropped = extra_word(then, now), *added = extra_word(now, then);

    if (json_equal(then, now))
        return 0;
    if (dropped && added)
        return error_set(error, EINVAL, "%s was begun with %s, and not with %s", folder, dropped,
                         added);
    if (dropped || added)
        return error_set(error, EINVAL, "%s was begun %s %s", folder, dropped ? "with" : "without",
                         dropped ? dropped : added);
    return error_set(error, EINVAL, "%s was begun with its options in another order", folder);
}

static int compare_traces(const char *folder, json_t *then, json_t *now, struct error *error)
{
    const char *path;
    json_t *digest;

    json_object_foreach(now, path, digest)
    {
        const json_t *before = json_object_get(then, path);

        if (!before)
            return error_set(error, EINVAL, "%s was begun without the trace %s", folder, path);
        if (!json_equal(before, digest))
            return error_set(error, EINVAL,
                             "%s was begun with another %s: its digest was %s, now %s", folder,
                             path, json_string_value(before), json_string_value(digest));
    }
    json_object_foreach(then, path, digest)
    {
        if (!json_object_get(now, path))
            return error_set(error, EINVAL, "%s was begun with the trace %s, too", folder, path);
    }
    return 0;
}

static int compare_number(const char *folder, const json_t *then, const json_t *now,
                          const char *key, const char *option, struct error *error)
{
    long long before = json_integer_value(json_object_get(then, key));
    long long asked = json_integer_value(json_object_get(now, key));

    return before == asked
               ? 0
               : error_set(error, EINVAL, "%s was begun with %s %lld, and not with %lld", folder,
                           option, before, asked);
}

/* What is given or not, such as a shard. */
static int compare_text(const char *folder, const json_t *then, const json_t *now, const char *key,
                        struct error *error)
{
    const char *before = json_string_value(json_object_get(then, key));
    const char *asked = json_string_value(json_object_get(now, key));

    if (!before && !asked)
        return 0;
    if (!before || !asked)
        return error_set(error, EINVAL, "%s was begun %s --%s %s", folder,
                         before ? "with" : "without", key, before ? before : asked);
    return strcmp(before, asked) == 0
               ? 0
               : error_set(error, EINVAL, "%s was begun with --%s %s, and not with %s", folder, key,
                           before, asked);
}

/* Runs of two versions under one name would be repeats of one run. */
static int compare_commit(const char *folder, const json_t *then, const json_t *now,
                          struct error *error)
{
    const char *before = json_string_value(json_object_get(then, "commit"));
    const char *here = json_string_value(json_object_get(now, "commit"));

    return before && strcmp(before, here) == 0
               ? 0
               : error_set(error, EINVAL,
                           "%s was begun by another version of this program, commit %s, and this "
                           "is %s: name another folder",
                           folder, before ? before : "unknown", here);
}

/* All but the options and the traces. */
static int compare_rest(const char *folder, const json_t *then, const json_t *now,
                        struct error *error)
{
    int code = compare_text(folder, then, now, "until", error);

    if (code == 0)
        code = compare_number(folder, then, now, "repeats", "-n", error);
    if (code == 0)
        code = compare_number(folder, then, now, "seed", "--seed", error);
    if (code == 0)
        code = compare_text(folder, then, now, "shard", error);
    if (code == 0 && !json_equal(json_object_get(then, "compare_itself"),
                                 json_object_get(now, "compare_itself")))
        code =
            error_set(error, EINVAL, "%s was begun %s --no-aa", folder,
                      json_is_true(json_object_get(then, "compare_itself")) ? "without" : "with");
    return code;
}

int sweep_file_compare(const char *folder, const json_t *description, struct error *error)
{
    json_t *then;
    int code = sweep_file_read(folder, &then, error);

    if (code)
        return error_prefix(error, code,
                            "what the runs in %s are of cannot be read, so name another folder",
                            folder);
    if (strcmp(json_string_value(json_object_get(then, "schema")) ?: "", SWEEP_SCHEMA) != 0)
        code = error_set(error, EINVAL,
                         "%s was begun by another version of this program, which named its runs "
                         "otherwise: name another folder",
                         folder);
    if (code == 0)
        code = compare_options(folder, json_object_get(then, "options"),
                               json_object_get(description, "options"), error);
    if (code == 0)
        code = compare_traces(folder, json_object_get(then, "traces"),
                              json_object_get(description, "traces"), error);
    if (code == 0)
        code = compare_commit(folder, then, description, error);
    if (code == 0)
        code = compare_rest(folder, then, description, error);
    json_decref(then);
    return code;
}
