/* SPDX-License-Identifier: MIT */
/* What tests of importers import from and to: a temporary folder, and the recording put into it. */
#ifndef SLABLAB_TESTS_IMPORT_FIXTURE_H
#define SLABLAB_TESTS_IMPORT_FIXTURE_H

#include <stddef.h>

/* Text of perf script, one event each; the stamp is "[cpu] time: ". */
#define KMALLOC(stamp, ptr, bytes)                                                                 \
    "comm 1 " stamp "kmem:kmalloc: call_site=f+0x1 ptr=" ptr " bytes_req=" bytes                   \
    " bytes_alloc=" bytes " gfp_flags=GFP_KERNEL node=-1 accounted=false\n"
#define ALLOC(stamp, ptr, cache, bytes)                                                            \
    "comm 1 " stamp "kmem:kmem_cache_alloc: call_site=g+0x2 ptr=" ptr " name=" cache               \
    " bytes_req=" bytes " bytes_alloc=" bytes " gfp_flags=GFP_KERNEL node=-1 accounted=false\n"
#define OLD_ALLOC(stamp, site, ptr, bytes)                                                         \
    "comm 1 " stamp "kmem:kmem_cache_alloc: call_site=" site " ptr=" ptr " bytes_req=" bytes       \
    " bytes_alloc=" bytes " gfp_flags=GFP_KERNEL\n"
#define FREE(stamp, ptr, cache)                                                                    \
    "comm 1 " stamp "kmem:kmem_cache_free: call_site=h+0x3 ptr=" ptr " name=" cache "\n"
#define KFREE(stamp, ptr) "comm 1 " stamp "kmem:kfree: call_site=k+0x4 ptr=" ptr "\n"

extern char import_folder[];
extern char import_input[64], import_output[64]; /* in it: the recording, the trace */

/* For cmocka_run_group_tests. */
int import_folder_make(void **state);
int import_folder_remove(void **state);

void import_input_write(const void *bytes, size_t length);

#endif
