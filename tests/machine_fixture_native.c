/* SPDX-License-Identifier: MIT */
/* The native machine under the tests' fixture: it is as it stands. */
#include "tests/machine_fixture.h"

#include <sched.h>

int fixture_prepare(struct machine_config *machine, struct page_config *pages, struct error *error)
{
    (void)machine;
    (void)pages;
    (void)error;
    return 0;
}

void fixture_clear(void)
{
}

void fixture_pause(void)
{
    sched_yield();
}

bool fixture_is_native(void)
{
    return true;
}
