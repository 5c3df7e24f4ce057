/* SPDX-License-Identifier: Dual MIT/GPL */
/* Records on their way to user space; ../ring.h with nothing in it that is younger than 5.8. */
#ifndef OVERHEAR_SYSCALLS_RING_H
#define OVERHEAR_SYSCALLS_RING_H

#include "maps.h"

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
	__u64 thread = bpf_get_current_pid_tgid();
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
	record->reserved = 0;
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
