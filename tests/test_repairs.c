/* SPDX-License-Identifier: MIT */
/* What an importer says that it mended: every record comes to an event, or is accounted for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tests/import_fixture.h"
#include "traces/import/import.h"
#include "traces/summary.h"

#include <string.h>

/* What came of the text; the caller's to clean up. */
static struct trace_summary import(const char *text, struct import_options options)
{
    struct trace_summary summary;
    struct error error = {""};

    import_input_write(text, strlen(text));
    if (import_trace(import_input, import_output, &options, NULL, &error))
        fail_msg("%s", error.text);
    if (trace_summary_read(import_output, &summary, &error))
        fail_msg("%s", error.text);
    return summary;
}

/* Each record of the text comes to an event, or its repair says why not; of each cache too. */
static void assert_account(const char *text, struct import_options options)
{
    struct trace_summary got = import(text, options);
    const struct trace_repairs *all = &got.repairs;
    struct trace_repairs sum = {0};
    uint64_t recorded = 0, inserted, dropped;

    for (const char *at = text; (at = strchr(at, '\n')); at++)
        recorded++;
    inserted = all->preloaded + all->refreed + all->implied_frees;
    dropped = all->null_frees + all->never_seen_frees - all->preloaded + all->skipped_records;
    assert_int_equal(got.events, recorded + inserted - dropped);
    assert_int_equal(got.allocs + got.frees, recorded - all->null_frees - all->skipped_records);
    for (size_t i = 0; i < got.nr_caches; i++) {
        const struct trace_repairs *repairs = &got.caches[i].repairs;

        sum.never_seen_frees += repairs->never_seen_frees;
        sum.preloaded += repairs->preloaded;
        sum.refreed += repairs->refreed;
        sum.implied_frees += repairs->implied_frees;
    }
    assert_int_equal(sum.never_seen_frees, all->never_seen_frees);
    assert_int_equal(sum.preloaded, all->preloaded);
    assert_int_equal(sum.refreed, all->refreed);
    assert_int_equal(sum.implied_frees, all->implied_frees);
    trace_summary_cleanup(&got);
}

static void what_is_freed_again_and_of_unknown_kind_is_dropped(void **state)
{
    struct trace_summary got =
        import(ALLOC("[000] 1.0: ", "0x1000", "filp", "184") FREE("[000] 2.0: ", "0x2000", "bar")
                   FREE("[000] 3.0: ", "0x2000", "bar") FREE("[000] 4.0: ", "0x2000", "bar"),
               (struct import_options){0});
    (void)state;

    assert_int_equal(got.events, 1);
    assert_int_equal(got.repairs.refreed, 0); /* nothing was inserted */
    assert_int_equal(got.repairs.never_seen_frees, 3);
    assert_int_equal(got.repairs.preloaded, 0);
    assert_int_equal(got.unmatched_frees, 3);
    assert_int_equal(got.frees, 3);
    assert_string_equal(got.caches[1].name, "bar");
    assert_int_equal(got.caches[1].repairs.never_seen_frees, 3);
    assert_int_equal(got.caches[1].frees, 3);
    trace_summary_cleanup(&got);
}

static void the_account_of_repairs_adds_up(void **state)
{
    static const char *const texts[] = {
        ALLOC("[000] 1.0: ", "0x1000", "filp", "184") FREE("[000] 2.0: ", "0x1000", "filp"),
        /* null; never seen, known and unknown; freed again, known and unknown */
        KFREE("[000] 1.0: ", "(nil)") KFREE("[000] 1.1: ", "0x10")
            ALLOC("[000] 1.2: ", "0x1000", "filp", "184") FREE("[000] 2.0: ", "0x2000", "filp")
                FREE("[000] 2.1: ", "0x2000", "filp") FREE("[000] 2.2: ", "0x3000", "bar")
                    FREE("[000] 2.3: ", "0x3000", "bar") FREE("[000] 2.4: ", "0x3000", "filp")
                        KFREE("[000] 2.5: ", "0x4000") KFREE("[000] 2.6: ", "0x4000")
                            KFREE("[000] 2.7: ", "0x3000") FREE("[000] 2.8: ", "0x3000", "bar")
                                KMALLOC("[000] 2.9: ", "(nil)", "8"),
        /* unknown when it is freed, known later, and handed out twice */
        KFREE("[000] 1.0: ", "0x1000") KFREE("[000] 1.1: ", "0x1000")
            KMALLOC("[000] 1.2: ", "0x1000", "96") KMALLOC("[000] 1.3: ", "0x1000", "64")
                FREE("[000] 1.4: ", "0x1000", "bar") FREE("[000] 1.5: ", "0x1000", "bar"),
        /* no cache named by the allocation */
        OLD_ALLOC("[000] 1.0: ", "a+1", "0x1000", "192") FREE("[000] 1.1: ", "0x1000", "dentry")
            FREE("[000] 1.2: ", "0x1000", "dentry") FREE("[000] 1.3: ", "0x1000", "bar")
                FREE("[000] 1.4: ", "0x5000", "bar") "x 1 [000] 1.5: sched:sched_switch: a=b\n",
    };
    (void)state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_account(texts[i], (struct import_options){0});
        assert_account(texts[i], (struct import_options){.unmatched = IMPORT_DROP});
    }
}

/* As dropped ones were counted once. */
static void an_older_traces_account_is_put_right(void **state)
{
    struct trace_summary got =
        import("# slablab text 1\nstream 0 cpu0\ncache 184 0 0 filp\ntype 0 184 184 0 - 0\n"
               "alloc 0 0 0 0\nfree 1 0 0\ninfer 2 0 0 0\nfree 3 0 0\n"
               "repairs 0 0 1 0 3 0 0\nrepairs-of 0 0 0 1 0 3 0 0\n",
               (struct import_options){0});
    (void)state;

    assert_int_equal(got.repairs.refreed, 1);
    assert_int_equal(got.repairs.never_seen_frees, 3);
    assert_int_equal(got.caches[0].repairs.refreed, 1);
    assert_int_equal(got.unmatched_frees, 4);
    assert_int_equal(got.frees, 5);
    trace_summary_cleanup(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_freed_again_and_of_unknown_kind_is_dropped),
        cmocka_unit_test(the_account_of_repairs_adds_up),
        cmocka_unit_test(an_older_traces_account_is_put_right),
    };

    return cmocka_run_group_tests_name("repairs", tests, import_folder_make, import_folder_remove);
}
