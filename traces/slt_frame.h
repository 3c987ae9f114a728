/* SPDX-License-Identifier: MIT */
/* What the two sides of slt_block.h share. */
#ifndef SLABLAB_TRACES_SLT_FRAME_H
#define SLABLAB_TRACES_SLT_FRAME_H

#include "traces/slt_block.h"

int slt_frame_init(struct slt_frame *frame);
void slt_frame_cleanup(struct slt_frame *frame);
/* Before the block's bytes are counted in `offset`. Without memory, index.failed is set. */
void slt_frame_add(struct slt_frame *frame, uint32_t kind, const struct bytes *payload,
                   uint64_t first_event, uint64_t time_ns);
void slt_frame_digest(const struct slt_frame *frame, uint8_t digest[16]);

#endif
