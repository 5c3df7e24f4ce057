/* SPDX-License-Identifier: Dual MIT/GPL */
/* From user memory into records. */
#ifndef OVERHEAR_COPY_H
#define OVERHEAR_COPY_H

#include "locate.h"
#include "ring.h"

/* The biggest piece one record carries; a step takes at most this much. */
#define PIECE 16384
/* Enough for 1 MiB in full pieces, or for as many iovecs as one call takes in practice. */
#define STEPS 128

/*
 * The ring wants a constant size to reserve, so pieces go by size class. Global functions, not static ones: the
 * verifier then looks at each once instead of once per way to reach it, which halves the time to attach.
 */
#define EMIT_CLASS(SIZE)                                                                                              \
	__noinline int emit_##SIZE(struct copy *copy, __u32 n)                                                        \
	{                                                                                                             \
		struct piece {                                                                                        \
			struct record head;                                                                           \
			__u8 payload[SIZE];                                                                           \
		} *record;                                                                                            \
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
		submit(&record->head);                                                                     \
		return LOSS_NONE;                                                                                     \
	}

EMIT_CLASS(192)
EMIT_CLASS(512)
EMIT_CLASS(1536)
EMIT_CLASS(4096)
EMIT_CLASS(16384)

/* Bounds of a head and a small body that go into one record. */
#define PAIR_FIRST 512
#define PAIR_SECOND 1536

/*
 * The shape in which most servers answer, a head and a body in two vectors, as one record. Says whether it was that
 * shape and was emitted; if not, nothing happened.
 */
__noinline int emit_pair(struct copy *copy)
{
	struct pair {
		struct record head;
		__u8 payload[PAIR_FIRST + PAIR_SECOND];
	};
	struct iovec vectors[2];

	if (!copy || bpf_probe_read_user(vectors, sizeof(vectors), (void *)copy->vector))
		return 0;
	__u64 first = vectors[0].iov_len, second = vectors[1].iov_len;
	if (first == 0 || first > PAIR_FIRST || second == 0 || second > PAIR_SECOND || first + second != copy->left)
		return 0;
	struct pair *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return 0;
	fill(&record->head, RECORD_DATA, copy->socket);
	record->head.offset = copy->offset;
	record->head.size = record->head.length = first + second;
	record->head.way = copy->way;
	record->head.syscall = copy->number;
	asm volatile("" : "+r"(first), "+r"(second));
	if (first > PAIR_FIRST || second > PAIR_SECOND)
		goto discard; /* told once more, for the verifier */
	if (bpf_probe_read_user(record->payload, first, vectors[0].iov_base))
		goto discard;
	if (bpf_probe_read_user(record->payload + first, second, vectors[1].iov_base))
		goto discard;
	submit(&record->head);
	copy->offset += copy->left;
	copy->left = 0;
	return 1;
discard:
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline int emit_piece(struct copy *copy, __u32 n)
{
	if (n <= 192)
		return emit_192(copy, n);
	if (n <= 512)
		return emit_512(copy, n);
	if (n <= 1536)
		return emit_1536(copy, n);
	if (n <= 4096)
		return emit_4096(copy, n);
	return emit_16384(copy, n);
}

/* Says whether nothing is left to do. */
static __always_inline long copy_piece(struct copy *copy, __u32 n)
{
	int failed = emit_piece(copy, n);
	if (failed) {
		copy->loss = failed;
		return 1;
	}
	copy->offset += n;
	copy->base += n;
	copy->piece -= n;
	copy->left -= n;
	return copy->left == 0;
}

static long copy_step(__u32 index, void *context)
{
	struct copy *copy = context;
	if (!copy->piece) {
		struct iovec vector;
		if (!copy->vectors)
			return 1;
		if (bpf_probe_read_user(&vector, sizeof(vector), (void *)copy->vector)) {
			copy->loss = LOSS_FAULT;
			return 1;
		}
		copy->vector += sizeof(vector);
		copy->vectors--;
		copy->base = (__u64)vector.iov_base;
		copy->piece = vector.iov_len < copy->left ? vector.iov_len : copy->left;
		if (!copy->piece)
			return 0;
	}
	return copy_piece(copy, copy->piece < PIECE ? copy->piece : PIECE);
}

/* Global, too: where its bytes were found is many ways to come here. */
__noinline int copy_all(struct copy *copy)
{
	if (!copy)
		return 0;
	if (!copy->vectors && copy->piece <= PIECE) {
		copy_piece(copy, copy->piece);
		return 0;
	}
	if (copy->vectors == 2 && emit_pair(copy))
		return 0;
	/* The loop wants it on the stack. */
	struct copy here = *copy;
	bpf_loop(STEPS, copy_step, &here, 0);
	*copy = here;
	return 0;
}

/* Ciphertext: how much, not what. */
static __always_inline void emit_sealed(struct copy *copy, __u32 bytes)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return;
	fill(record, RECORD_DATA, copy->socket);
	record->offset = copy->offset;
	record->size = bytes;
	record->way = copy->way;
	submit(record);
}

__noinline int emit_gap(struct copy *copy, __u32 bytes, __u8 reason)
{
	if (!copy)
		return 0;
	lose(reason, bytes);
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return 0; /* the jump of the offsets tells */
	fill(record, RECORD_DATA, copy->socket);
	record->offset = copy->offset;
	record->size = bytes;
	record->way = copy->way;
	record->loss = reason;
	record->comes = copy->comes;
	record->syscall = copy->number;
	submit(record);
	return 0;
}

#endif
