/* SPDX-License-Identifier: MIT */
/* The pictures of a report: drawn, put in order, put on the page. */
#include "tools/report_pictures.h"

#include "sim/error.h"
#include "tools/list_option.h"
#include "tools/no_memory.h"
#include "tools/plot_sweep.h"
#include "tools/report_page.h"
#include "tools/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Traces stay together: names begin with theirs. All paths are of one folder. */
static int picture_order(const void *a, const void *b)
{
    const char *x = strrchr(*(char *const *)a, '/') + 1, *y = strrchr(*(char *const *)b, '/') + 1;
    size_t length = strcspn(x, "-") < strcspn(y, "-") ? strcspn(x, "-") : strcspn(y, "-");
    int order = strncmp(x, y, length + 1);

    if (order == 0)
        order = (picture_rank(x) > picture_rank(y)) - (picture_rank(x) < picture_rank(y));
    return order ? order : strcmp(x, y);
}

/* The paths of all that could be drawn. -ENODATA: nothing could. */
static int pictures_draw(const struct series *series, const char *folder,
                         const struct word_list *figures, struct word_list *paths,
                         struct error *error)
{
    char *names = NULL;
    size_t size = 0;
    FILE *stream = text_open(&names, &size);
    int code =
        plot_sweep(series, folder, "svg", figures, &(struct plot_said){.drawn = stream}, error);

    text_close(stream, &names);
    for (const char *path = names; code == 0 && path < names + size; path += strlen(path) + 1)
        if (word_list_add(paths, "%s", path) != 0)
            code = error_set(error, ENOMEM, "no memory for a path");
    free(names);
    if (paths->count)
        qsort(paths->words, paths->count, sizeof *paths->words, picture_order);
    return code;
}

int report_pictures_print(const struct report_page *page, const struct series *series,
                          const char *folder, const struct word_list *figures, struct error *error)
{
    struct word_list paths = {0};
    int code = pictures_draw(series, folder, figures, &paths, error);

    if (code == 0 || code == -ENODATA)
        page_heading(page, "Pictures");
    if (code == -ENODATA) {
        page_paragraph(page, error->text);
        code = 0;
    }
    for (size_t i = 0; code == 0 && i < paths.count; i++)
        code = page_picture(page, paths.words[i], error);
    word_list_cleanup(&paths);
    return code;
}
