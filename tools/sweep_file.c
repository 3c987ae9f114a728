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

size_t sweep_file_runs(const char *folder)
{
    struct error error;
    json_t *description;
    json_int_t runs;
    char *path;

    if (file_path(folder, &path, &error) != 0)
        return 0;
    description = json_load_file(path, 0, NULL);
    free(path);
    runs = json_integer_value(json_object_get(description, "runs"));
    json_decref(description);
    return runs > 0 ? (size_t)runs : 0;
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
    json_error_t reason;
    json_t *then;
    char *path;
    int code = file_path(folder, &path, error);

    if (code)
        return code;
    then = json_load_file(path, 0, &reason);
    if (!json_is_object(then) || !json_is_array(json_object_get(then, "options")) ||
        !json_is_object(json_object_get(then, "traces")))
        code = error_set(error, EINVAL,
                         "%s: what the runs in %s are of cannot be read (%s); name another folder",
                         path, folder, then ? "expected options and traces" : reason.text);
    else if (strcmp(json_string_value(json_object_get(then, "schema")) ?: "", SWEEP_SCHEMA) != 0)
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
    free(path);
    return code;
}
