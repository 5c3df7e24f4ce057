/* SPDX-License-Identifier: Dual MIT/GPL */
/* Records on their way to user space. After the maps.h of its plan, whose thread_now it asks. */
#ifndef OVERHEAR_RING_H
#define OVERHEAR_RING_H

#include "told.h"

/*
 * Nobody is woken per record; the reader polls. Now and then, by the clock's lower bits, a look at how much waits: above
 * the high-water mark the reader is woken, should it be asleep.
 */
static __always_inline void submit(struct record *record)
{
	__u64 flags = BPF_RB_NO_WAKEUP;
	if ((record->time >> 8) % 16 == 0) {
		struct settings *set = get_settings();
		if (set && bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > set->high_water)
			flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(record, flags);
}

static __always_inline void fill(struct record *record, __u8 kind, __u64 socket)
{
	__u64 thread = thread_now();
	record->time = bpf_ktime_get_ns();
	record->socket = socket;
	record->offset = 0;
	record->size = 0;
	record->length = 0;
	record->tgid = thread >> 32;
	record->tid = thread;
	record->kind = kind;
	record->way = 0;
	record->loss = LOSS_NONE;
	record->comes = 0;
	record->syscall = 0;
}

/* A record of its head alone. */
static __always_inline bool emit_plain(__u8 kind, __u64 socket, __u8 way, __u32 size)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		lose(LOSS_RING_FULL, 0);
		return false;
	}
	fill(record, kind, socket);
	record->way = way;
	record->size = size;
	submit(record);
	return true;
}

#endif
