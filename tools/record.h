/* SPDX-License-Identifier: MIT */
/* Looking into a run's record by path: "ledger.peak.page_bytes". */
#ifndef SLABLAB_TOOLS_RECORD_H
#define SLABLAB_TOOLS_RECORD_H

#include <jansson.h>
#include <stdint.h>

/* A borrowed reference; NULL: not there. */
const json_t *record_at(const json_t *record, const char *path);

/* NAN: not there, or no number. */
double record_number(const json_t *record, const char *path);
/* How many of something; 0: none, not recorded, or no number that could count. */
uint32_t record_count(const json_t *record, const char *path);

/* "": not there, or no string. */
const char *record_text(const json_t *record, const char *path);

#endif
