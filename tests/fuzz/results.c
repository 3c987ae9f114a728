/* SPDX-License-Identifier: MIT */
/* What is made of results beside tables: reports and pictures. tables.c has the rest. */
#include "tests/fuzz/targets.h"

#include "sim/error.h"
#include "tools/command.h"
#include "tools/plot_data.h"
#include "tools/runs_file.h"
#include "tools/series.h"
#include "tools/sweep_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An input's first line is one file of the folder, the rest its runs. */
static void put_files(const struct fuzz_input *input, const char *folder, const char *first)
{
    size_t line = strcspn(input->bytes, "\n"), rest;
    const struct {
        const char *name, *bytes;
        size_t length;
    } files[] = {
        {first, input->bytes, line},
        {RUNS_FILE_NAME, input->bytes + line, input->length - line},
    };

    rest = line < input->length;
    mkdir(folder, 0700); /* it is there after the first input */
    for (size_t i = 0; i < 2; i++) {
        size_t skipped = i ? rest : 0;
        char path[2 * FUZZ_PATH_BYTES];
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        file = fopen(path, "we");
        if (!file || fwrite(files[i].bytes + skipped, 1, files[i].length - skipped, file) !=
                         files[i].length - skipped)
            fuzz_broken("%s: %s", path, strerror(errno));
        fclose(file);
    }
}

/* What a command says is looked at, and not shown. */
static int run_quietly(int (*command)(int argc, char **argv), int argc, char **argv,
                       struct error *said)
{
    FILE *kept = stderr;
    char *text = NULL;
    size_t size = 0;
    int status;

    stderr = open_memstream(&text, &size);
    if (!stderr)
        fuzz_broken("no memory");
    status = command(argc, argv);
    fclose(stderr);
    stderr = kept;
    snprintf(said->text, sizeof said->text, "%s", text);
    free(text);
    return status;
}

/* Where there is a picture none is drawn. */
static void put_picture(const char *folder)
{
    char path[FUZZ_PATH_BYTES];
    int file;

    snprintf(path, sizeof path, "%s/plots", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/plots/a.svg", folder);
    file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        fuzz_broken("%s: %s", path, strerror(errno));
    close(file);
}

/* The first line is the sweep's description. */
void fuzz_report(const struct fuzz_input *input)
{
    char folder[FUZZ_FOLDER_BYTES], output[FUZZ_PATH_BYTES];
    char *argv[] = {"report", folder, "-o", output, "--format", input->length % 2 ? "md" : "html",
                    NULL};
    struct error said = {""};

    snprintf(folder, sizeof folder, "%s/out", input->folder);
    put_files(input, folder, SWEEP_FILE_NAME);
    put_picture(folder);
    fuzz_path(input, "report", output);
    if (run_quietly(cmd_report, 6, argv, &said) == STATUS_DONE)
        return;
    fuzz_refusal(strncmp(said.text, "slablab: no memory", 18) ? -EINVAL : -ENOMEM, &said, folder);
}

/* Pictures are named by what the results name. */
static void empty_folder(const char *folder)
{
    DIR *opened = opendir(folder);
    const struct dirent *entry;

    while (opened && (entry = readdir(opened))) {
        if (*entry->d_name != '.')
            unlinkat(dirfd(opened), entry->d_name, 0);
    }
    if (opened)
        closedir(opened);
}

/* The first line is a side file, "side.jsonl". */
void fuzz_plots(const struct fuzz_input *input)
{
    char folder[FUZZ_FOLDER_BYTES], plots[FUZZ_PATH_BYTES];
    const struct word_list no_figures = {0};
    const struct plot_request request = {.folder = folder,
                                         .scripts = "tools/plots",
                                         .plots = plots,
                                         .format = "svg",
                                         .figures = &no_figures};
    struct plot_list list = {0};
    struct series series;
    struct error error = {""};

    snprintf(folder, sizeof folder, "%s/drawn", input->folder);
    snprintf(plots, sizeof plots, "%s/plots", folder);
    put_files(input, folder, "side.jsonl");
    mkdir(plots, 0700);
    if (!fuzz_refusal(series_read(folder, SERIES_WITH_DISTURBED, &series, &error), &error,
                      folder)) {
        fuzz_refusal(plot_data_write(&series, &request, &list, &error), &error, NULL);
        plot_list_cleanup(&list);
        series_cleanup(&series);
    }
    empty_folder(plots);
}
