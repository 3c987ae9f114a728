/* SPDX-License-Identifier: MIT */
/* Templates, data and scripts, pictures: in this order. */
#include "tools/plot_sweep.h"

#include "sim/error.h"
#include "tools/plot_data.h"

#include <errno.h>
#include <stdlib.h>

static int pictures_draw(const struct series *series, const struct plot_request *request,
                         const struct plot_said *said, struct error *error)
{
    struct plot_list list = {0};
    int code = plot_data_write(series, request, &list, error);

    if (code == 0)
        code = plot_list_draw(&list, request->plots, request->format, said, error);
    if (code == 0 && list.sides_missing)
        fprintf(stderr, "%zu runs without their side file, the first: %s\n", list.sides_missing,
                list.side_missing);
    if (code == 0 && list.side_failure)
        code = error_set(error, list.side_failure, "pictures are missing: %s", list.side_missing);
    plot_list_cleanup(&list);
    return code;
}

int plot_sweep(const struct series *series, const char *folder, const char *format,
               const struct word_list *figures, const struct plot_said *said, struct error *error)
{
    char *scripts = NULL, *plots = NULL;
    int code = plot_scripts_find(&scripts, error);

    if (code == 0 && asprintf(&plots, "%s/" PLOTS_FOLDER, folder) < 0)
        code = error_set(error, ENOMEM, "no memory for a path");
    if (code == 0)
        code = plot_folder_make(plots, error);
    if (code == 0)
        code = pictures_draw(series,
                             &(struct plot_request){.folder = folder,
                                                    .scripts = scripts,
                                                    .plots = plots,
                                                    .format = format,
                                                    .figures = figures},
                             said, error);
    free(scripts);
    free(plots);
    return code;
}
