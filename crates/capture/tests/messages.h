/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of several messages, and what tells one from the next. */
#ifndef OVERHEAR_MESSAGES_H
#define OVERHEAR_MESSAGES_H

#include "peer.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* An empty message among others, and a receive that asks for nothing. */
static void messages_empty(void)
{
	unsigned char bytes[200], nothing[1] = { SECRET };
	struct iovec parts[3] = { { bytes, 100 }, { nothing, 0 }, { bytes + 100, 100 } };
	struct mmsghdr many[3];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			many[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &parts[i], .msg_iovlen = 1 } };
		fill(bytes, sent, 200);
		CHECK(sendmmsg(here, many, 3, 0) == 3);
		sent += 200;
		swallow(200);
		offer(10);
		CHECK(recv(here, nothing, 0, 0) == 0);
		CHECK(recv(here, bytes, 10, MSG_WAITALL) == 10);
		received += 10;
	}
}

/* Receives that end after their first message, for their time is up, each made with the same arguments. */
static void messages_late(void)
{
	unsigned char bytes[100], others[100];
	struct iovec parts[2] = { { bytes, 100 }, { others, 100 } };
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = &parts[0], .msg_iovlen = 1 } },
				   { .msg_hdr = { .msg_iov = &parts[1], .msg_iovlen = 1 } } };
	memset(others, SECRET, 100);
	for (int round = 0; round < 3; round++) {
		struct timespec time = { .tv_nsec = 1 };
		offer(100);
		usleep(20000);
		CHECK(recvmmsg(here, many, 2, 0, &time) == 1);
		received += 100;
	}
}

/* Receives that end after their first message, for there is no second, each made with the same arguments. */
static void messages_few(void)
{
	unsigned char bytes[100], others[100];
	struct iovec parts[2] = { { bytes, 100 }, { others, 100 } };
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = &parts[0], .msg_iovlen = 1 } },
				   { .msg_hdr = { .msg_iov = &parts[1], .msg_iovlen = 1 } } };
	memset(others, SECRET, 100);
	for (int round = 0; round < 3; round++) {
		offer(100);
		usleep(20000);
		CHECK(recvmmsg(here, many, 2, MSG_DONTWAIT, NULL) == 1);
		received += 100;
	}
}

static __attribute__((noinline)) void faulty(long number, int fd, struct mmsghdr *many, int count)
{
	CHECK(syscall(number, fd, many, count, 0, NULL) < 0 && errno == EFAULT);
}

static __attribute__((noinline)) void faulty_below(long number, int fd, struct mmsghdr *many, int count)
{
	char room[256];
	faulty(number, fd, many, count);
	asm volatile("" : : "r"(room) : "memory");
}

/*
 * Calls that end after their first message without a sign, for its length cannot be written. Each is made with the
 * arguments of the one before it but for one: the buffer, the count, the depth of the stack, the call, the socket.
 */
static void messages_faulty(void)
{
	unsigned char bytes[100], others[100];
	struct iovec parts[2] = { { bytes, 100 }, { others, 100 } };
	struct mmsghdr *many = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(many != MAP_FAILED);
	for (int i = 0; i < 6; i++)
		many[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &parts[i % 3 != 0], .msg_iovlen = 1 } };
	CHECK(!mprotect(many, 4096, PROT_READ));
	memset(others, SECRET, 100);
#define SEND_FAULTY(call) do { fill(bytes, sent, 100); call; sent += 100; swallow(100); } while (0)
	SEND_FAULTY(faulty(SYS_sendmmsg, here, many, 2));
	SEND_FAULTY(faulty(SYS_sendmmsg, here, many + 3, 2));
	SEND_FAULTY(faulty(SYS_sendmmsg, here, many + 3, 3));
	SEND_FAULTY(faulty_below(SYS_sendmmsg, here, many + 3, 3));
	offer(100);
	usleep(20000);
	faulty_below(SYS_recvmmsg, here, many + 3, 3);
	received += 100;
	SEND_FAULTY(faulty_below(SYS_sendmmsg, here, many + 3, 3));
	fill(bytes, offered, 100);
	faulty_below(SYS_sendmmsg, there, many + 3, 3);
	CHECK(read(here, bytes, 100) == 100);
	received += 100;
}

/* Messages that do not fit: each sendmmsg ends within its first one, and the next is made with the same arguments. */
static void messages_cut(int vectors)
{
	size_t n = 24 << 20; /* more than the buffers of both ends can grow to hold */
	unsigned char *bytes = malloc(n), *others = malloc(1000);
	struct iovec parts[8], other = { others, 1000 };
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = parts, .msg_iovlen = vectors } },
				   { .msg_hdr = { .msg_iov = &other, .msg_iovlen = 1 } } };
	cut(parts, vectors, bytes, n);
	memset(others, SECRET, 1000);
	CHECK(!fcntl(here, F_SETFL, O_NONBLOCK));
	for (int round = 0; round < 3; round++) {
		fill(bytes, sent, n);
		CHECK(sendmmsg(here, many, 2, 0) == 1 && many[0].msg_len < n);
		sent += many[0].msg_len;
		swallow(many[0].msg_len);
	}
}

static struct mmsghdr parts[2];
static unsigned char part_bytes[2][64];
static pthread_t part_reader;

static void *receive_parts(void *unused)
{
	CHECK(recvmmsg(here, parts, 2, 0, NULL) == 2);
	return unused;
}

/* A call of two messages that is under way, its first one over, when the probes come. */
static void begin_parts(const char *family)
{
	static struct iovec vectors[2];
	for (int i = 0; i < 2; i++) {
		vectors[i] = (struct iovec){ part_bytes[i], 64 };
		parts[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &vectors[i], .msg_iovlen = 1 } };
	}
	connect_pair(family);
	CHECK(!pthread_create(&part_reader, NULL, receive_parts, NULL));
	unsigned char other[64];
	memset(other, SECRET, 64);
	CHECK(send(there, other, 64, 0) == 64);
	usleep(200000);
}

static void end_parts(void)
{
	unsigned char bytes[64];
	offer(64);
	pthread_join(part_reader, NULL);
	offer(64);
	CHECK(recv(here, bytes, 64, MSG_WAITALL) == 64);
	received += 128;
}

#endif
