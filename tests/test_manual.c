/* SPDX-License-Identifier: MIT */
/* Manual pages, which are made of what --help says: they say the same, and are well made. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int make_pages(void **state)
{
    int status;
    char *said;

    if (cli_set_up(state) != 0)
        return -1;
    said = cli_ask("tools/man-pages $SLABLAB @/man", &status);
    fputs(said, stderr);
    free(said);
    return status ? -1 : 0;
}

static void every_command_has_a_page_with_the_options_of_its_help(void **state)
{
    int status;
    char *said;

    (void)state;
    said = cli_ask("tests/manual $SLABLAB @/man", &status);
    if (status)
        fail_msg("%s", said);
    free(said);
}

static void a_page_has_the_parts_that_a_reader_looks_for(void **state)
{
    static const char *const parts[] = {
        "slablab\\-replay \\- run a trace",
        ".SH SYNOPSIS\n\\fBslablab\\fR \\fBreplay\\fR ",
        ".SH DESCRIPTION\nRuns the events",
        ".SH OPTIONS\n",
        ".SH EXIT STATUS\n",
        ".SH EXAMPLES\n",
        "slablab replay gcc.slt",
        ".SH SEE ALSO\n.BR slablab (1)",
    };
    char path[128], *page;

    (void)state;
    snprintf(path, sizeof path, "%s/man/slablab-replay.1", cli_folder);
    page = cli_read_file(path);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(page, parts[i]))
            fail_msg("not in the page of replay: %s", parts[i]);
    }
    free(page);
}

static void groff_has_nothing_to_say_against_the_pages(void **state)
{
    int status;
    char *said;

    (void)state;
    said = cli_ask("command -v groff", &status);
    free(said);
    if (status) {
        print_message("groff is not here to look at the pages\n");
        skip();
    }
    said = cli_ask("for page in @/man/*.1; do groff -ww -z -man -Tutf8 $page; done", &status);
    if (status || *said)
        fail_msg("%s", said);
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_a_page_with_the_options_of_its_help),
        cmocka_unit_test(a_page_has_the_parts_that_a_reader_looks_for),
        cmocka_unit_test(groff_has_nothing_to_say_against_the_pages),
    };

    return cmocka_run_group_tests(tests, make_pages, cli_tear_down);
}
