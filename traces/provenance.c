/* SPDX-License-Identifier: MIT */
/* Parts of a trace's provenance: see provenance.h. */
#include "traces/provenance.h"

json_t *provenance_command(const char *const *words)
{
    json_t *command = json_array();

    for (; words && *words; words++) {
        json_t *string = json_string(*words);

        json_array_append_new(command, string ? string : json_string("?")); /* not UTF-8 */
    }
    return command;
}
