/* SPDX-License-Identifier: MIT */
/* The program run by tests; see cli.h. */
#include "tests/cli.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

char cli_folder[64];
const char *cli_program;
struct cli_last cli_last;

char *cli_read_file(const char *path)
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

/* `text` with the test's folder for each @. */
static void expand(const char *text, char expanded[2048])
{
    size_t used = 0;

    for (const char *c = text; *c && used < 2048 - sizeof cli_folder; c++) {
        if (*c == '@')
            used += (size_t)sprintf(expanded + used, "%s", cli_folder);
        else
            expanded[used++] = *c;
    }
    expanded[used] = '\0';
}

char *cli_ask(const char *command, int *status)
{
    char expanded[2048], all[2100], *text = NULL;
    size_t size = 0;
    FILE *stream;

    expand(command, expanded);
    snprintf(all, sizeof all, "{ %s; } 2>&1 </dev/null", expanded);
    stream = popen(all, "r");
    assert_non_null(stream);
    if (getdelim(&text, &size, '\0', stream) < 0) {
        free(text);
        text = strdup("");
    }
    *status = WEXITSTATUS(pclose(stream));
    return text;
}

void cli_run(const char *arguments)
{
    char command[4096], expanded[2048], path[128];
    int ended;

    expand(arguments, expanded);
    snprintf(command, sizeof command, "%s %s >%s/.out 2>%s/.err </dev/null", cli_program, expanded,
             cli_folder, cli_folder);
    /* A shell may become the program: then a signal that ends this ends that, which is no status 0.
     */
    ended = system(command);
    cli_last.status = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
    free(cli_last.output);
    free(cli_last.messages);
    snprintf(path, sizeof path, "%s/.out", cli_folder);
    cli_last.output = cli_read_file(path);
    snprintf(path, sizeof path, "%s/.err", cli_folder);
    cli_last.messages = cli_read_file(path);
}

void cli_shell(const char *text)
{
    char expanded[2048], command[2100];

    expand(text, expanded);
    snprintf(command, sizeof command, "set -e; %s", expanded);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

void assert_status(int expected)
{
    if (cli_last.status != expected)
        fail_msg("status %d, expected %d; it said: %s", cli_last.status, expected,
                 cli_last.messages);
}

void assert_refused(const char *words)
{
    const char *end = strchr(cli_last.messages, '\n');

    assert_status(2);
    if (!strstr(cli_last.messages, words))
        fail_msg("'%s' is not in: %s", words, cli_last.messages);
    assert_non_null(end);
    /* argp adds a second line that points to --help. */
    assert_true(end[1] == '\0' || strncmp(end + 1, "Try `slablab", 12) == 0);
}

unsigned cli_files_in(const char *path)
{
    DIR *opened = opendir(path);
    unsigned count = 0;

    assert_non_null(opened);
    for (const struct dirent *entry; (entry = readdir(opened));)
        count += entry->d_name[0] != '.';
    closedir(opened);
    return count;
}

void cli_write_file(const char *name, const char *bytes, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

int cli_set_up(void **state)
{
    (void)state;
    cli_program = getenv("SLABLAB");
    if (!cli_program)
        cli_program = "build/debug/slablab";
    setenv("SLABLAB", cli_program, 1); /* for scripts */
    strcpy(cli_folder, "/tmp/slablab-cli-XXXXXX");
    return mkdtemp(cli_folder) ? 0 : -1;
}

int cli_tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", cli_folder);
    free(cli_last.output);
    free(cli_last.messages);
    return system(command);
}

json_t *cli_record(void)
{
    json_t *record = json_loads(cli_last.output, JSON_DISABLE_EOF_CHECK, NULL);

    assert_non_null(record);
    return record;
}
