/* SPDX-License-Identifier: MIT */
/* A picture's files: the data, and the script made of what is known here and a template. */
#include "tools/plot_writer.h"

#include "sim/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void plot_name_make(const char *path, char *name, size_t size)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *base = strrchr(path, '/');
    size_t length;

    base = base ? base + 1 : path;
    length = strlen(base);
    if (length > 4 && strcmp(base + length - 4, ".slt") == 0)
        length -= 4;
    snprintf(name, size, "%.*s", (int)(length < size ? length : size - 1), base);
    for (char *c = name; *c; c++) {
        if (!strchr(kept, *c))
            *c = '-';
    }
    if (name[0] == '-' || name[0] == '.') /* neither an option nor hidden */
        name[0] = '_';
}

static bool name_taken(const struct plot_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->entries[i].name, name) == 0)
            return true;
    }
    return false;
}

/* ---- the list ---- */

static int list_add(struct plot_writer *writer, const char *name, bool python, const char *missing)
{
    struct plot_list *list = writer->list;
    struct plot_entry *grown = realloc(list->entries, (list->count + 1) * sizeof *grown);
    struct plot_entry *entry;

    if (!grown)
        return error_set(writer->error, ENOMEM, "no memory for the list of pictures");
    list->entries = grown;
    entry = &grown[list->count++];
    *entry = (struct plot_entry){
        .name = strdup(name), .python = python, .missing = missing ? strdup(missing) : NULL};
    if (!entry->name || (missing && !entry->missing)) {
        free(entry->name);
        free(entry->missing);
        list->count--;
        return error_set(writer->error, ENOMEM, "no memory for the list of pictures");
    }
    return 0;
}

void plot_list_cleanup(struct plot_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i].name);
        free(list->entries[i].missing);
    }
    free(list->entries);
    free(list->side_missing);
    *list = (struct plot_list){0};
}

/* ---- a picture ---- */

static void picture_free(struct picture *picture)
{
    if (picture->styles_stream)
        fclose(picture->styles_stream);
    if (picture->names_stream)
        fclose(picture->names_stream);
    if (picture->settings_stream)
        fclose(picture->settings_stream);
    free(picture->styles);
    free(picture->names);
    free(picture->settings);
}

int picture_open(struct plot_writer *writer, const struct plot_trace *trace, const char *kind,
                 unsigned threads, struct picture *picture)
{
    char path[4096], base[224], of[24] = "";
    int code;

    *picture = (struct picture){.writer = writer, .trace = trace, .threads = threads};
    if (threads)
        snprintf(of, sizeof of, "-%u-threads", threads);
    snprintf(base, sizeof base, "%.100s-%.90s%s", trace->name, kind, of);
    strcpy(picture->name, base);
    for (unsigned number = 2; name_taken(writer->list, picture->name); number++)
        snprintf(picture->name, sizeof picture->name, "%s-%u", base, number);
    picture->styles_stream = open_memstream(&picture->styles, &picture->styles_size);
    picture->names_stream = open_memstream(&picture->names, &picture->names_size);
    picture->settings_stream = open_memstream(&picture->settings, &picture->settings_size);
    if (!picture->styles_stream || !picture->names_stream || !picture->settings_stream) {
        picture_free(picture);
        return error_set(writer->error, ENOMEM, "no memory for picture %s", picture->name);
    }
    snprintf(path, sizeof path, "%s/%s.dat", writer->plots, picture->name);
    code = outfile_open(&picture->file, path, writer->error);
    if (code)
        picture_free(picture);
    picture->data = picture->file.stream;
    return code;
}

void picture_block(struct picture *picture, const char *name)
{
    fprintf(picture->names_stream, "%s\"%s\"", picture->blocks ? ", " : "", name);
    fprintf(picture->data, "%s\"%s\"\n", picture->blocks ? "\n\n" : "", name);
    picture->blocks++;
}

void picture_curve(struct picture *picture, const struct point *point, bool sized)
{
    char name[256];

    plot_curve_name(point, sized, name, sizeof name);
    fprintf(picture->styles_stream, " %u", plot_line_type(picture->writer->series, point));
    picture_block(picture, name);
}

void picture_set(struct picture *picture, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(picture->settings_stream, format, arguments);
    va_end(arguments);
    fputc('\n', picture->settings_stream);
}

int plot_template_copy(const struct plot_writer *writer, const char *name, FILE *to)
{
    char path[4096], block[4096];
    size_t count;
    FILE *from;
    int code = 0;

    snprintf(path, sizeof path, "%s/%s", writer->scripts, name);
    from = fopen(path, "re");
    if (!from)
        return error_set(writer->error, EIO, "%s: %s", path, strerror(errno));
    while ((count = fread(block, 1, sizeof block, from)) > 0)
        fwrite(block, 1, count, to);
    if (ferror(from))
        code = error_set(writer->error, EIO, "%s: %s", path, strerror(errno));
    fclose(from);
    return code;
}

int plot_style_write(const struct plot_writer *writer)
{
    struct outfile file;
    char path[4096];
    int code;

    snprintf(path, sizeof path, "%s/style.gp", writer->plots);
    code = outfile_open(&file, path, writer->error);
    if (code)
        return code;
    code = plot_template_copy(writer, "style.gp", file.stream);
    if (code) {
        outfile_discard(&file);
        return code;
    }
    return outfile_commit(&file, writer->error);
}

/* The assignments that a template begins with, alike in gnuplot and Python. */
static void script_begin(struct picture *picture, FILE *stream, const char *program,
                         const char *ending, const char *title, const char *note)
{
    const struct plot_writer *writer = picture->writer;
    char caption[1024], sentence[512], remark[512];

    if (picture->trace->caption)
        snprintf(caption, sizeof caption, "%s", picture->trace->caption);
    else if (*picture->trace->machine)
        snprintf(caption, sizeof caption, "trace %s; simulated on %s, in virtual time",
                 picture->trace->path, picture->trace->machine);
    else
        snprintf(caption, sizeof caption, "trace %s; %s; %s", picture->trace->name,
                 writer->series->machine, picture->trace->runs);
    snprintf(sentence, sizeof sentence, "%s", title);
    snprintf(remark, sizeof remark, "%s", note);
    plot_make_safe(caption);
    plot_make_safe(sentence);
    plot_make_safe(remark);
    fprintf(stream,
            "# Run %s %s%s in this folder to draw the picture again.\n"
            "terminal_kind = '%s'\noutput_file = '%s.%s'\ndata_file = '%s.dat'\n"
            "title_text = '%s'\ncaption_text = '%s'\nnote_text = '%s'\n",
            program, picture->name, ending, writer->format, picture->name, writer->format,
            picture->name, sentence, caption, remark);
    fflush(picture->styles_stream);
    fflush(picture->names_stream);
    fflush(picture->settings_stream);
    if (strcmp(ending, ".gp") == 0 && picture->blocks)
        fprintf(stream, "array names[%zu] = [%s]\n", picture->blocks, picture->names);
    if (picture->styles_size)
        fprintf(stream, "styles = '%s'\n", picture->styles);
    fprintf(stream, "%s\n", picture->settings);
}

int picture_commit(struct picture *picture, const char *template, const char *title,
                   const char *note)
{
    struct plot_writer *writer = picture->writer;
    bool python = strcmp(strrchr(template, '.'), ".py") == 0;
    char path[4096];
    struct outfile script;
    int code = outfile_commit(&picture->file, writer->error);

    snprintf(path, sizeof path, "%s/%s%s", writer->plots, picture->name, python ? ".py" : ".gp");
    if (code == 0)
        code = outfile_open(&script, path, writer->error);
    if (code) {
        picture_free(picture);
        return code;
    }
    script_begin(picture, script.stream, python ? "python3" : "gnuplot", python ? ".py" : ".gp",
                 title, note);
    picture_free(picture);
    code = plot_template_copy(writer, template, script.stream);
    if (code) {
        outfile_discard(&script);
        return code;
    }
    code = outfile_commit(&script, writer->error);
    return code ? code : list_add(writer, picture->name, python, NULL);
}

int picture_discard(struct picture *picture, int code)
{
    outfile_discard(&picture->file);
    picture_free(picture);
    return code;
}

int picture_leave(struct picture *picture, const char *reason)
{
    picture_discard(picture, 0);
    return list_add(picture->writer, picture->name, false, reason);
}
