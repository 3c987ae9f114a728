/* SPDX-License-Identifier: MIT */
/* Pages; see report_page.h. */
#include "tools/report_page.h"

#include "sim/error.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* On a narrow screen a picture is moved aside, as a table is, and not made too small to read. */
static const char style[] =
    "body{font-family:sans-serif;line-height:1.5;max-width:70rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;"
    "border-bottom:1px solid #ccc}pre{overflow-x:auto;background:#f6f6f6;padding:1rem;"
    "font-size:.8rem;line-height:1.35}figure{margin:1.5rem 0;overflow-x:auto}"
    "img{max-width:100%;min-width:42rem;height:auto;display:block}"
    "@media(max-width:40rem){body{margin:1rem auto}pre{padding:.5rem;font-size:.7rem}}"
    "td{overflow-wrap:anywhere;padding:.1rem 1rem .1rem "
    "0;vertical-align:top}td:first-child{color:#555}";

/* What HTML, or Markdown, would take for more than text. */
static void text_print(const struct report_page *page, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (page->html && *c == '<')
            fputs("&lt;", page->stream);
        else if (page->html && *c == '>')
            fputs("&gt;", page->stream);
        else if (page->html && *c == '&')
            fputs("&amp;", page->stream);
        else if (!page->html && strchr("*_`[]<>#|\\", *c))
            fprintf(page->stream, "\\%c", *c);
        else
            fputc(*c, page->stream);
    }
}

void page_begin(const struct report_page *page, const char *title)
{
    if (page->html)
        fprintf(page->stream, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                              "<meta charset=\"utf-8\">\n"
                              "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    else
        fprintf(page->stream, "# ");
    text_print(page, title);
    if (page->html) {
        fprintf(page->stream, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
        text_print(page, title);
        fprintf(page->stream, "</h1>");
    }
    fprintf(page->stream, "\n");
}

void page_end(const struct report_page *page)
{
    if (page->html)
        fprintf(page->stream, "</body>\n</html>\n");
}

/* A piece of text between what begins and what ends it. */
static void enclosed(const struct report_page *page, const char *html_begin, const char *text,
                     const char *html_end, const char *mark, const char *mark_end)
{
    fputs(page->html ? html_begin : mark, page->stream);
    text_print(page, text);
    fputs(page->html ? html_end : mark_end, page->stream);
    fputc('\n', page->stream);
}

void page_heading(const struct report_page *page, const char *text)
{
    enclosed(page, "<h2>", text, "</h2>", "\n## ", "\n");
}

void page_paragraph(const struct report_page *page, const char *text)
{
    enclosed(page, "<p>", text, "</p>", "", "\n");
}

void page_list(const struct report_page *page, bool begin)
{
    if (page->html)
        fputs(begin ? "<ul>\n" : "</ul>\n", page->stream);
    else if (!begin)
        fputc('\n', page->stream);
}

void page_item(const struct report_page *page, const char *text)
{
    enclosed(page, "<li>", text, "</li>", "- ", "");
}

void page_table(const struct report_page *page, bool begin)
{
    if (page->html)
        fputs(begin ? "<table>\n" : "</table>\n", page->stream);
    else
        fputs(begin ? "| | |\n|---|---|\n" : "\n", page->stream);
}

void page_row(const struct report_page *page, const char *name, const char *value)
{
    fputs(page->html ? "<tr><td>" : "| ", page->stream);
    text_print(page, name);
    fputs(page->html ? "</td><td>" : " | ", page->stream);
    text_print(page, value);
    fputs(page->html ? "</td></tr>\n" : " |\n", page->stream);
}

void page_preformatted(const struct report_page *page, const char *text)
{
    if (page->html) {
        fputs("<pre>", page->stream);
        text_print(page, text);
        fputs("</pre>\n", page->stream);
    } else {
        fprintf(page->stream, "```\n%s```\n\n", text);
    }
}

/*
 * As the address of an image: names inside of one SVG cannot meet those of another then, as they
 * would if all were part of one document. Percent-encoded (RFC 2397, RFC 3986).
 */
static int data_print(FILE *stream, FILE *picture)
{
    for (int c; (c = fgetc(picture)) != EOF;) {
        if (isalnum(c) || strchr(" -_.!~*()/:;=,", c))
            fputc(c, stream);
        else
            fprintf(stream, "%%%02X", (unsigned)c);
    }
    return ferror(picture) ? -EIO : 0;
}

int page_picture(const struct report_page *page, const char *path, struct error *error)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    FILE *picture;
    int code;

    if (!page->html) {
        fprintf(page->stream, "![%s](%s)\n\n", name, path);
        return 0;
    }
    picture = fopen(path, "re");
    if (!picture)
        return error_set(error, errno, "%s: %s", path, strerror(errno));
    fputs("<figure><img alt=\"", page->stream);
    text_print(page, name);
    fputs("\" src=\"data:image/svg+xml,", page->stream);
    code = data_print(page->stream, picture);
    fputs("\"></figure>\n", page->stream);
    fclose(picture);
    return code ? error_set(error, -code, "%s: cannot be read", path) : 0;
}
