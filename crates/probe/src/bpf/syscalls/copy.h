/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * From user memory into records. Functions that the verifier looks at once, not once per step; before 5.13 they take
 * numbers only, so what they work on lies in a map.
 */
#ifndef OVERHEAR_SYSCALLS_COPY_H
#define OVERHEAR_SYSCALLS_COPY_H

#include "maps.h"
#include "../ring.h"

/* The biggest piece one record carries; a step takes at most this much. */
#define PIECE 16384
/* Enough for 1 MiB in full pieces, or for as many vectors as one call takes in practice. */
#define STEPS 256
/* UIO_MAXIOV of the kernel: vectors of a call, messages of a call. */
#define MOST 1024

#define EMIT_CLASS(SIZE)                                                                                              \
	__noinline int emit_##SIZE(__u32 n)                                                                           \
	{                                                                                                             \
		struct piece {                                                                                        \
			struct record head;                                                                           \
			__u8 payload[SIZE];                                                                           \
		} *record;                                                                                            \
		struct copy *copy = get_copy();                                                                       \
		if (!copy)                                                                                            \
			return LOSS_FAULT;                                                                            \
		record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);                                           \
		if (!record)                                                                                          \
			return LOSS_RING_FULL;                                                                        \
		fill(&record->head, RECORD_DATA, copy->socket);                                                       \
		record->head.offset = copy->offset;                                                                   \
		record->head.size = n;                                                                                \
		record->head.length = n;                                                                              \
		record->head.way = copy->way;                                                                         \
		record->head.syscall = copy->number;                                                                  \
		asm volatile("" : "+r"(n));                                                                           \
		if (n > SIZE)                                                                                         \
			n = SIZE;                                                                                     \
		if (bpf_probe_read_user(record->payload, n, (void *)copy->base)) {                                    \
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                                                \
			return LOSS_FAULT;                                                                            \
		}                                                                                                     \
		submit(&record->head);                                                                                \
		return LOSS_NONE;                                                                                     \
	}

EMIT_CLASS(192)
EMIT_CLASS(512)
EMIT_CLASS(1536)
EMIT_CLASS(4096)
EMIT_CLASS(16384)

static __always_inline int emit_piece(__u32 n)
{
	if (n <= 192)
		return emit_192(n);
	if (n <= 512)
		return emit_512(n);
	if (n <= 1536)
		return emit_1536(n);
	if (n <= 4096)
		return emit_4096(n);
	return emit_16384(n);
}

static __always_inline __u32 least(__u64 one, __u64 other)
{
	return one < other ? one : other;
}

static __always_inline int next_message(struct copy *copy)
{
	struct mmsghdr message;
	if (!copy->messages)
		return LOSS_GUARDED;
	if (bpf_probe_read_user(&message, sizeof(message), (void *)copy->message))
		return LOSS_FAULT;
	copy->message += sizeof(message);
	copy->messages--;
	copy->vector = (__u64)message.msg_hdr.msg_iov;
	copy->vectors = least(message.msg_hdr.msg_iovlen, MOST);
	copy->room = message.msg_len;
	return LOSS_NONE;
}

static __always_inline int next_vector(struct copy *copy)
{
	struct iovec vector;
	/* More moved than there is room for: the message is not what it was. */
	if (!copy->vectors)
		return LOSS_GUARDED;
	if (bpf_probe_read_user(&vector, sizeof(vector), (void *)copy->vector))
		return LOSS_FAULT;
	copy->vector += sizeof(vector);
	copy->vectors--;
	copy->base = (__u64)vector.iov_base;
	copy->piece = least(vector.iov_len, copy->room);
	return LOSS_NONE;
}

/* Says whether nothing is left to do. */
__noinline int copy_step(void)
{
	struct copy *copy = get_copy();
	if (!copy)
		return 1;
	if (!copy->piece) {
		copy->loss = copy->room ? next_vector(copy) : next_message(copy);
		return copy->loss != LOSS_NONE;
	}
	__u32 n = least(least(copy->piece, PIECE), copy->left);
	copy->loss = emit_piece(n);
	if (copy->loss)
		return 1;
	copy->offset += n;
	copy->base += n;
	copy->piece -= n;
	copy->room -= n;
	copy->left -= n;
	return copy->left == 0;
}

__noinline int copy_all(void)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < STEPS; i++)
		if (copy_step())
			break;
	return 0;
}

/* Bytes of the first `count` messages, as the kernel has written it behind each. */
__noinline int add_up(__u64 message, __u32 size, __u32 place, __u32 count)
{
	__u32 total = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < MOST; i++) {
		__u32 length = 0;
		if (i >= count || bpf_probe_read_user(&length, sizeof(length), (void *)(message + i * size + place)))
			break;
		total += length;
	}
	return total;
}

static __always_inline void emit_gap(struct copy *copy, __u32 bytes, __u8 reason)
{
	lose(reason, bytes);
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return; /* the jump of the offsets tells */
	fill(record, RECORD_DATA, copy->socket);
	record->offset = copy->offset;
	record->size = bytes;
	record->way = copy->way;
	record->loss = reason;
	record->syscall = copy->number;
	submit(record);
}

#endif
