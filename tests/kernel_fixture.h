/* SPDX-License-Identifier: MIT */
/* What the tests have recorded of a kernel's kmem events: tests/data/kmem-6.18. */
#ifndef SLABLAB_TESTS_KERNEL_FIXTURE_H
#define SLABLAB_TESTS_KERNEL_FIXTURE_H

#define KERNEL_DATA "tests/data/kmem-6.18"

struct tep_handle;

/* Its formats: of a page, and of all four events. */
struct tep_handle *kernel_fixture_formats(void);

#endif
