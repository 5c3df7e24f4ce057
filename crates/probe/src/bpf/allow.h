/* SPDX-License-Identifier: Dual MIT/GPL */
/* How much of what moved is copied. */
#ifndef OVERHEAR_ALLOW_H
#define OVERHEAR_ALLOW_H

#include "told.h"

/* `copied`: bytes of this direction copied while undecided. */
static __always_inline __u32 allowance(__u32 *copied, struct settings *set, __u8 verdict, __u32 size, __u8 *reason)
{
	__u32 cap = set->cap;
	*reason = LOSS_OVER_CAP;
	if (verdict == VERDICT_ASK) {
		__u32 left = *copied < set->undecided ? set->undecided - *copied : 0;
		/* Heads go on being copied: the next call may begin the next message. */
		if (left < set->head)
			left = set->head;
		if (left < cap) {
			cap = left;
			*reason = LOSS_UNDECIDED;
		}
	} else if (verdict == VERDICT_HEAD) {
		cap = set->head;
	}
	/* Below twice a head there is little to shed, and the look costs more. */
	if (cap > set->head && size > 2 * set->head &&
	    bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > set->shed_water) {
		cap = set->head;
		*reason = LOSS_SHED;
	}
	__u32 allowed = size < cap ? size : cap;
	if (verdict == VERDICT_ASK)
		*copied += allowed;
	return allowed;
}

#endif
