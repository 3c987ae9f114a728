/* SPDX-License-Identifier: MIT */
/* What has to be said where memory is compared over magazine sizes. */
#ifndef SLABLAB_TOOLS_SIZE_NOTE_H
#define SLABLAB_TOOLS_SIZE_NOTE_H

/* struct allocator's size_note of the design in a record; NULL: it has none, or is not known here.
 */
const char *size_note(const char *allocator);

#endif
