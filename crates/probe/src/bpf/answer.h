/* SPDX-License-Identifier: Dual MIT/GPL */
/* What name servers answer: so that addresses have the names that programs asked for. After the maps.h of the plan. */
#ifndef OVERHEAR_ANSWER_H
#define OVERHEAR_ANSWER_H

#include "ring.h"

#define NAME_SERVER 53
/* As much as resolvers take by UDP: 1232 by agreement (RFC 9715), 2048 in glibc's buffer. */
#define ANSWER 2048

static __always_inline void emit_answer(__u64 base, __u32 n)
{
	struct answer {
		struct record head;
		__u8 message[ANSWER];
	} *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		lose(LOSS_RING_FULL, n);
		return;
	}
	fill(&record->head, RECORD_ANSWER, 0);
	record->head.way = WAY_RECEIVED;
	record->head.size = record->head.length = n;
	asm volatile("" : "+r"(n));
	if (n > ANSWER)
		n = ANSWER;
	if (bpf_probe_read_user(record->message, n, (void *)base)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return;
	}
	submit(&record->head);
}

/* Where a message of `n` bytes is that was received into vectors; 0 where it is not all in the first. */
static __always_inline __u64 in_first_vector(__u64 vectors, __u32 n)
{
	struct iovec vector;
	if (bpf_probe_read_user(&vector, sizeof(vector), (void *)vectors) || vector.iov_len < n)
		return 0;
	return (__u64)vector.iov_base;
}

#endif
