/* SPDX-License-Identifier: MIT */
/* Which pictures a report shows, and whether they have to be drawn. */
#include "tools/report_pictures.h"

#include "sim/error.h"
#include "tools/list_option.h"
#include "tools/plot_sweep.h"
#include "tools/report_page.h"
#include "tools/runs_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct pictures {
    char *folder; /* plots */
    struct dirent **entries;
    int count;
};

static void pictures_cleanup(struct pictures *pictures)
{
    for (int i = 0; i < pictures->count; i++)
        free(pictures->entries[i]);
    free(pictures->entries);
    free(pictures->folder);
    *pictures = (struct pictures){0};
}

static int is_svg(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 4 && strcmp(entry->d_name + length - 4, ".svg") == 0;
}

/* What a reader wants first; the rest after these, by name. */
static size_t picture_rank(const char *name)
{
    static const char *const first[] = {"-throughput-over-magazine",
                                        "-throughput-against-memory",
                                        "-throughput",
                                        "-memory",
                                        "-locks",
                                        "-layers",
                                        "-latency",
                                        "-ledger"};
    size_t rank = 0;

    while (rank < sizeof first / sizeof first[0] && !strstr(name, first[rank]))
        rank++;
    return rank;
}

/* Traces stay together: names begin with theirs. */
static int picture_order(const struct dirent **a, const struct dirent **b)
{
    const char *x = (*a)->d_name, *y = (*b)->d_name;
    size_t length = strcspn(x, "-") < strcspn(y, "-") ? strcspn(x, "-") : strcspn(y, "-");
    int order = strncmp(x, y, length + 1);

    if (order == 0)
        order = (picture_rank(x) > picture_rank(y)) - (picture_rank(x) < picture_rank(y));
    return order ? order : strcmp(x, y);
}

/* No folder, no pictures. */
static int pictures_list(const char *sweep, struct pictures *pictures, struct error *error)
{
    *pictures = (struct pictures){0};
    if (asprintf(&pictures->folder, "%s/" PLOTS_FOLDER, sweep) < 0) {
        pictures->folder = NULL;
        return error_set(error, ENOMEM, "no memory for a path");
    }
    pictures->count = scandir(pictures->folder, &pictures->entries, is_svg, picture_order);
    if (pictures->count >= 0)
        return 0;
    pictures->entries = NULL;
    pictures->count = 0;
    return errno == ENOENT ? 0
                           : error_set(error, errno, "%s: %s", pictures->folder, strerror(errno));
}

static int picture_path(const struct pictures *pictures, int number, char **path,
                        struct error *error)
{
    if (asprintf(path, "%s/%s", pictures->folder, pictures->entries[number]->d_name) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    return 0;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* 1: there are none, or one was drawn before the last run; 0: all are of all runs. */
static int pictures_are_old(const char *sweep, const struct pictures *pictures, struct error *error)
{
    struct stat results, picture;
    char *path;
    int code = 0;

    if (!pictures->count)
        return 1;
    if (asprintf(&path, "%s/" RUNS_FILE_NAME, sweep) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    if (stat(path, &results) != 0)
        code = error_set(error, errno, "%s: %s", path, strerror(errno));
    free(path);
    for (int i = 0; code == 0 && i < pictures->count; i++) {
        code = picture_path(pictures, i, &path, error);
        if (code)
            break;
        code = stat(path, &picture) == 0 && is_older(&picture.st_mtim, &results.st_mtim);
        free(path);
    }
    return code;
}

static int pictures_draw(const struct series *series, const char *folder, struct pictures *pictures,
                         struct error *error)
{
    const struct word_list no_figures = {0};
    int code = plot_sweep(series, folder, "svg", &no_figures, NULL, error);

    if (code)
        return code;
    pictures_cleanup(pictures);
    return pictures_list(folder, pictures, error);
}

int report_pictures_print(const struct report_page *page, const struct series *series,
                          const char *folder, struct error *error)
{
    struct pictures pictures;
    int code = pictures_list(folder, &pictures, error);

    if (code == 0)
        code = pictures_are_old(folder, &pictures, error);
    if (code > 0)
        code = pictures_draw(series, folder, &pictures, error);
    if (code == 0 || code == -ENODATA)
        page_heading(page, "Pictures");
    if (code == -ENODATA) {
        page_paragraph(page, error->text);
        code = 0;
    }
    for (int i = 0; code == 0 && i < pictures.count; i++) {
        char *path;

        code = picture_path(&pictures, i, &path, error);
        if (code)
            break;
        code = page_picture(page, path, error);
        free(path);
    }
    pictures_cleanup(&pictures);
    return code;
}
