/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring, without a library. */
#ifndef OVERHEAR_URING_H
#define OVERHEAR_URING_H

#include "peer.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void ring_open(struct ring *ring)
{
	struct io_uring_params params = {};
	ring->fd = syscall(SYS_io_uring_setup, 8, &params);
	if (ring->fd < 0) {
		printf("unavailable io_uring: %s\n", strerror(errno));
		exit(0);
	}
	size_t sq = params.sq_off.array + params.sq_entries * sizeof(unsigned);
	size_t cq = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	size_t size = sq > cq ? sq : cq;
	char *rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	CHECK(rings != MAP_FAILED && params.features & IORING_FEAT_SINGLE_MMAP);
	ring->sqes = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	CHECK(ring->sqes != MAP_FAILED);
	ring->sq_tail = (void *)(rings + params.sq_off.tail);
	ring->sq_mask = (void *)(rings + params.sq_off.ring_mask);
	ring->sq_array = (void *)(rings + params.sq_off.array);
	ring->cq_head = (void *)(rings + params.cq_off.head);
	ring->cq_tail = (void *)(rings + params.cq_off.tail);
	ring->cq_mask = (void *)(rings + params.cq_off.ring_mask);
	ring->cqes = (void *)(rings + params.cq_off.cqes);
}

static void ring_queue(struct ring *ring, struct io_uring_sqe entry)
{
	unsigned tail = *ring->sq_tail, index = tail & *ring->sq_mask;
	ring->sqes[index] = entry;
	ring->sq_array[index] = index;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

static void ring_submit(struct ring *ring, int op, void *buffer, unsigned n, unsigned wait)
{
	ring_queue(ring, (struct io_uring_sqe){ .opcode = op, .fd = here, .addr = (unsigned long)buffer, .len = n });
	CHECK(syscall(SYS_io_uring_enter, ring->fd, 1, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0) == 1);
}

static int ring_result(struct ring *ring)
{
	unsigned head = *ring->cq_head;
	while (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		CHECK(syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) >= 0);
	int result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

#endif
