/* SPDX-License-Identifier: MIT */
/* Drawing: where templates are, and gnuplot and Python run on the scripts that were made of them.
 */
#include "tools/plot_draw.h"

#include "sim/error.h"
#include "tools/child.h"
#include "tools/command.h"
#include "version.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int plot_folder_make(const char *folder, struct error *error)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return error_set(error, errno, "%s: %s", folder, strerror(errno));
    return 0;
}

/* *folder becomes "above/below" if that can be read, else stays NULL. */
static int folder_try(const char *above, const char *below, char **folder, struct error *error)
{
    char *path;

    if (asprintf(&path, "%s/%s", above, below) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    if (access(path, R_OK) == 0)
        *folder = path;
    else
        free(path);
    return 0;
}

int plot_scripts_find(char **folder, struct error *error)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    int code = 0;

    *folder = NULL;
    if (length > 0) {
        program[length] = '\0';
        for (char *above = dirname(program); code == 0 && !*folder && strlen(above) > 1;
             above = dirname(above)) {
            code = folder_try(above, "tools/plots", folder, error);
            if (code == 0 && !*folder)
                code = folder_try(above, "share/slablab/plots", folder, error);
        }
    }
    if (code == 0 && !*folder)
        code = folder_try(SLABLAB_DATADIR, "plots", folder, error);
    if (code == 0 && !*folder)
        code = error_set(error, EIO, "the gnuplot scripts are neither beside the program nor in %s",
                         SLABLAB_DATADIR "/plots");
    return code;
}

/* How a script ends for want of what it stands on (overview.py), which is no failure. */
#define SCRIPT_UNSUPPORTED 3

static void say_not_drawn(const struct plot_said *said, const char *name, const char *reason)
{
    if (said->missing)
        fprintf(said->missing, "not drawn: %s: %s\n", name, reason);
}

/* Runs the picture's script in the plots folder. */
static int picture_draw(const char *plots, const char *format, const struct plot_entry *entry,
                        const struct plot_said *said, struct error *error)
{
    const char *interpreter = entry->python ? "python3" : "gnuplot";
    struct child_result result;
    char *script;
    int code;

    if (asprintf(&script, "%s.%s", entry->name, entry->python ? "py" : "gp") < 0)
        return error_set(error, ENOMEM, "no memory for a path");

    char *argv[] = {"env", "-C", (char *)plots, (char *)interpreter, script, NULL};

    code = child_run("/usr/bin/env", argv, &result, error);
    command_progress_clear();
    if (code) {
        free(script);
        return code;
    }
    if (result.status == 0) {
        if (said->drawn)
            fprintf(said->drawn, "%s/%s.%s%c", plots, entry->name, format, said->end);
    } else if (entry->python && (result.status == SCRIPT_UNSUPPORTED || result.status == 127)) {
        result.messages[strcspn(result.messages, "\n")] = '\0';
        say_not_drawn(said, entry->name,
                      result.status == 127 ? "python3 is not installed" : result.messages);
    } else if (result.status == 127) {
        code = error_set(error, EIO, "gnuplot is not installed (`make deps` installs it)");
    } else {
        code = error_set(error, EIO, "%s %s/%s: %s", interpreter, plots, script, result.messages);
    }
    free(script);
    child_result_cleanup(&result);
    return code;
}

int plot_list_draw(const struct plot_list *list, const char *plots, const char *format,
                   const struct plot_said *said, struct error *error)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < list->count; i++) {
        const struct plot_entry *entry = &list->entries[i];

        command_progress("[%zu/%zu] %s", i + 1, list->count, entry->name);
        if (!entry->missing)
            code = picture_draw(plots, format, entry, said, error);
    }
    command_progress_clear();
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        if (list->entries[i].missing)
            say_not_drawn(said, list->entries[i].name, list->entries[i].missing);
    }
    return code;
}
