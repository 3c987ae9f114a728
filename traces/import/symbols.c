/* SPDX-License-Identifier: MIT */
/* Kernel symbols, kept by libtraceevent: see symbols.h. */
#include "traces/import/symbols.h"

#include "sim/error.h"
#include "traces/import/source.h"
#include "traces/import/text.h"

#include <errno.h>
#include <event-parse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KALLSYMS_MOST = 1 << 27 }; /* bytes, ten times as much as there are */

int symbols_read(struct tep_handle *tep, const char *text, size_t length)
{
    char *copy = strndup(text, length); /* libtraceevent reads up to a zero byte */
    bool no_memory;

    if (!copy)
        return -ENOMEM;
    errno = 0;
    no_memory = tep_parse_kallsyms(tep, copy) != 0 && errno == ENOMEM;
    free(copy);
    return no_memory ? -ENOMEM : 0;
}

/* Who may not see them reads zeros. */
static bool symbols_have_addresses(struct text left)
{
    struct text line;
    uint64_t address = 0;

    while (!address && text_line(&left, &line))
        text_hex(text_word(&line), &address);
    return address;
}

int symbols_read_file(struct tep_handle *tep, const char *path, struct error *error)
{
    const struct import_options options = {0};
    struct import_source source;
    const char *text;
    size_t length;
    int code = import_source_open(&source, path, &options, error);

    if (code)
        return code;
    code = import_source_look(&source, KALLSYMS_MOST + 1, &text, &length, error);
    if (!code && length > KALLSYMS_MOST)
        code = error_set(error, EINVAL, "%s: longer than %d bytes; no /proc/kallsyms is", path,
                         KALLSYMS_MOST);
    if (!code)
        code = symbols_read(tep, text, length);
    if (!code && !symbols_have_addresses((struct text){text, text + length}))
        code = error_set(error, EINVAL,
                         "%s:1: no addresses of symbols; expected a copy of /proc/kallsyms, made "
                         "by root: \"ffffffff81000000 T _text\"",
                         path);
    import_source_close(&source);
    return code;
}

size_t symbols_name(void *tep, uint64_t address, char *name, size_t size)
{
    const char *function = tep_find_function(tep, address);
    int length =
        function ? snprintf(name, size, "%s+0x%llx", function,
                            (unsigned long long)(address - tep_find_function_address(tep, address)))
                 : snprintf(name, size, "0x%llx", (unsigned long long)address);

    return (size_t)length < size ? (size_t)length : size - 1;
}
