/* SPDX-License-Identifier: Dual MIT/GPL */
/* Connections that are encrypted and stay so: how much they have moved. After the maps.h of the plan. */
#ifndef OVERHEAR_TALLY_H
#define OVERHEAR_TALLY_H

#include "ring.h"

/* Nanoseconds. Whoever moves a million small records a second is told of as often as one who moves two. */
#define TALLY_EVERY 1000000000ULL

static __always_inline void tell_moved(__u64 socket, __u8 way, __u64 moved, bool whose)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return; /* the next one, or the end, says it */
	fill(record, RECORD_DATA, socket);
	record->offset = moved;
	record->way = way;
	if (!whose) {
		record->tgid = 0;
		record->tid = 0;
	}
	submit(record);
}

/* `moved`: bytes so far, in both directions; `tallied`: when that was told. */
static __always_inline void tally(__u64 *moved, __u64 *tallied, __u64 socket, __u8 way, __u32 size)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 *here = way == WAY_SENT ? &moved[WAY_SENT] : &moved[WAY_RECEIVED];
	__u64 *when = way == WAY_SENT ? &tallied[WAY_SENT] : &tallied[WAY_RECEIVED];

	__sync_fetch_and_add(here, size); /* its result is not to be had before 5.12 */
	if (now - *when < TALLY_EVERY)
		return;
	*when = now;
	tell_moved(socket, way, *(volatile __u64 *)here, true);
}

/* It is over, in whoever's thread. */
static __always_inline void tally_all(__u64 *moved, __u64 socket)
{
	tell_moved(socket, WAY_SENT, moved[WAY_SENT], false);
	tell_moved(socket, WAY_RECEIVED, moved[WAY_RECEIVED], false);
}

#endif
