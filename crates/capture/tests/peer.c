/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves bytes through a socket in one particular way, for tests/live.rs. `peer SCENE FAMILY`: waits for a line on
 * standard input (the probes are told of us meanwhile), plays the scene, prints `sent N received M`: how many bytes
 * went through the socket each way at the end under test, and exits.
 *
 * Byte n of a direction is PATTERN(n), so that a listener can tell any wrong byte from its offset alone. Buffers that
 * are not the socket's hold SECRET.
 */
#define _GNU_SOURCE
#include "block.h"
#include "messages.h"
#include "packets.h"
#include "peer.h"
#include "uring.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Every call there is, each with n bytes. */
static void forms(size_t n)
{
	unsigned char *bytes = malloc(n);
	struct iovec vectors[5];
	struct msghdr message = { .msg_iov = vectors, .msg_iovlen = 5 };
	struct mmsghdr many[3];
#define SEND(call) do { fill(bytes, sent, n); CHECK((call) == (ssize_t)n); sent += n; swallow(n); } while (0)
#define RECEIVE(call) do { offer(n); usleep(20000); CHECK((call) == (ssize_t)n); received += n; } while (0)
	cut(vectors, 5, bytes, n);
	SEND(write(here, bytes, n));
	SEND(send(here, bytes, n, 0));
	SEND(writev(here, vectors, 5));
	SEND(pwritev2(here, vectors, 5, -1, 0));
	SEND(sendmsg(here, &message, 0));
	RECEIVE(read(here, bytes, n));
	RECEIVE(recv(here, bytes, n, 0));
	RECEIVE(readv(here, vectors, 5));
	RECEIVE(preadv2(here, vectors, 5, -1, 0));
	RECEIVE(recvmsg(here, &message, 0));
	/* Twice in a row from the same place with the same arguments: the message index must start over. */
	for (int round = 0; round < 2; round++) {
		struct iovec parts[3];
		cut(parts, 3, bytes, n);
		for (int i = 0; i < 3; i++)
			many[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &parts[i], .msg_iovlen = 1 } };
		fill(bytes, sent, n);
		CHECK(sendmmsg(here, many, 3, 0) == 3);
		sent += n;
		swallow(n);
	}
	for (int round = 0; round < 2; round++) {
		struct iovec parts[3];
		cut(parts, 3, bytes, n);
		for (int i = 0; i < 3; i++)
			many[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &parts[i], .msg_iovlen = 1 } };
		offer(n);
		usleep(20000);
		CHECK(recvmmsg(here, many, 3, 0, NULL) == 3);
		received += n;
	}
	free(bytes);
}

/* Random iovecs, empty and huge ones among them. */
static void vectors_at_random(void)
{
	static unsigned char arena[1 << 19];
	struct iovec vectors[64];
	unsigned seed = 42;
	for (int round = 0; round < 400; round++) {
		int count = 1 + rand_r(&seed) % 20;
		size_t total = 0, at = 0;
		for (int i = 0; i < count; i++) {
			size_t piece = rand_r(&seed) % 10 == 0 ? 0 : rand_r(&seed) % 8 == 0 ? rand_r(&seed) % 20000 : rand_r(&seed) % 600;
			vectors[i] = (struct iovec){ arena + at, piece };
			fill(arena + at, sent + total, piece);
			at += piece + 64; /* what lies between is not the socket's */
			memset(arena + at - 64, SECRET, 64);
			total += piece;
		}
		if (!total)
			continue;
		ssize_t put = writev(here, vectors, count);
		CHECK(put > 0);
		sent += put;
		swallow(put);
	}
}

static void peek(void)
{
	unsigned char bytes[100];
	offer(100);
	CHECK(recv(here, bytes, 100, MSG_PEEK) == 100);
	CHECK(recv(here, bytes, 50, MSG_PEEK) == 50);
	CHECK(read(here, bytes, 100) == 100);
	received += 100;
}

/* A byte beside the stream, received before the stream's. */
static void urgent(void)
{
	unsigned char bytes[100];
	offer(100);
	bytes[0] = PATTERN(100);
	CHECK(send(there, bytes, 1, MSG_OOB) == 1);
	usleep(20000);
	CHECK(recv(here, bytes, 1, MSG_OOB) == 1);
	CHECK(recv(here, bytes, 100, MSG_WAITALL) == 100);
	received += 100;
}

static void unbuffered(void)
{
	int file = memfd_create("file", 0), pipes[2];
	unsigned char bytes[5000];
	fill(bytes, sent, 1000);
	CHECK(write(here, bytes, 1000) == 1000);
	sent += 1000;
	fill(bytes, sent, 5000);
	CHECK(write(file, bytes, 5000) == 5000 && !lseek(file, 0, SEEK_SET));
	CHECK(sendfile(here, file, NULL, 5000) == 5000);
	sent += 5000;
	fill(bytes, sent, 3000);
	CHECK(!pipe(pipes) && write(pipes[1], bytes, 3000) == 3000);
	CHECK(splice(pipes[0], NULL, here, NULL, 3000, 0) == 3000);
	sent += 3000;
	fill(bytes, sent, 1000);
	CHECK(write(here, bytes, 1000) == 1000);
	sent += 1000;
	swallow(10000);
}

/* --- io_uring ------------------------------------------------------------------------------------------------ */

static void io_uring(void)
{
	struct ring ring;
	unsigned char bytes[2000];
	ring_open(&ring);
	fill(bytes, sent, 2000);
	ring_submit(&ring, IORING_OP_SEND, bytes, 2000, 1);
	CHECK(ring_result(&ring) == 2000);
	sent += 2000;
	swallow(2000);
	offer(2000);
	ring_submit(&ring, IORING_OP_RECV, bytes, 2000, 1);
	CHECK(ring_result(&ring) == 2000);
	received += 2000;
}

static int pipes[2];

/* Completes the receive that the main thread waits for, while that thread sits in read(pipe). */
static void *meanwhile(void *unused)
{
	unsigned char byte[64];
	usleep(100000);
	offer(64);
	usleep(100000);
	memset(byte, SECRET, sizeof(byte));
	CHECK(write(pipes[1], byte, sizeof(byte)) == sizeof(byte));
	return unused;
}

static void io_uring_elsewhere(void)
{
	struct ring ring;
	unsigned char bytes[64], others[4096];
	pthread_t thread;
	ring_open(&ring);
	memset(others, SECRET, sizeof(others));
	for (int round = 0; round < 10; round++) {
		CHECK(!pipe(pipes));
		ring_submit(&ring, IORING_OP_RECV, bytes, 64, 0);
		CHECK(!pthread_create(&thread, NULL, meanwhile, NULL));
		while (read(pipes[0], others, sizeof(others)) < 0)
			CHECK(errno == EINTR);
		CHECK(ring_result(&ring) == 64);
		received += 64;
		pthread_join(thread, NULL);
		close(pipes[0]), close(pipes[1]);
	}
}

static int begun[2];

/* Has the worker begin its work, and then lets the main thread out of read(pipe). */
static void *begin_work(void *unused)
{
	usleep(100000);
	CHECK(write(begun[1], "", 1) == 1);
	usleep(100000);
	CHECK(write(pipes[1], "", 1) == 1);
	return unused;
}

/*
 * A worker of the kernel does it, which the main thread starts in the middle of its read(pipe): when there is something
 * in the other pipe. The worker's registers are then those of that read, but for its result.
 */
static void work(struct ring *ring, int op, void *buffer, unsigned n)
{
	pthread_t thread;
	unsigned char byte;
	ring_queue(ring, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = begun[0], .poll32_events = POLLIN, .flags = IOSQE_IO_LINK });
	ring_queue(ring, (struct io_uring_sqe){
		.opcode = op, .fd = here, .addr = (unsigned long)buffer, .len = n, .flags = IOSQE_ASYNC });
	CHECK(syscall(SYS_io_uring_enter, ring->fd, 2, 0, 0, NULL, 0) == 2);
	CHECK(!pthread_create(&thread, NULL, begin_work, NULL));
	while (read(pipes[0], &byte, 1) < 0)
		CHECK(errno == EINTR);
	CHECK(ring_result(ring) > 0 && ring_result(ring) == (int)n);
	CHECK(!pthread_join(thread, NULL) && read(begun[0], &byte, 1) == 1);
}

static void io_uring_worker(void)
{
	struct ring ring;
	unsigned char bytes[2000];
	ring_open(&ring);
	CHECK(!pipe(pipes) && !pipe(begun));
	offer(2000);
	usleep(20000);
	work(&ring, IORING_OP_RECV, bytes, 2000);
	received += 2000;
	fill(bytes, sent, 2000);
	work(&ring, IORING_OP_SEND, bytes, 2000);
	sent += 2000;
	swallow(2000);
}

#if defined(__x86_64__)
static long compat_call(long number, void *bytes, long n)
{
	long result;
	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(number), "b"((long)here), "c"(bytes), "d"(n)
		     : "memory", "r8", "r9", "r10", "r11");
	return result;
}
#elif defined(__arm__)
static long compat_call(long number, void *bytes, long n)
{
	return syscall(number, here, bytes, n);
}
#endif

/*
 * 32-bit calls, write and read, whose numbers mean other calls: on x86 out of this program; on ARM out of another, this one
 * compiled for 32 bits, which it becomes.
 */
static void compat_program(char **argv)
{
#ifdef __aarch64__
	const char *program = getenv("OVERHEAR_PEER_32");
	if (program) {
		execv(program, argv);
		CHECK(errno == ENOEXEC);
	}
	printf("unavailable 32-bit calls\n");
	exit(0);
#else
	(void)argv;
#endif
}

static void compat(void)
{
#if defined(__x86_64__) || defined(__arm__)
	int low_half = 0;
#ifdef __x86_64__
	low_half = MAP_32BIT;
#endif
	unsigned char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | low_half, -1, 0);
	CHECK(low != MAP_FAILED);
	fill(low, sent, 500);
	long result = compat_call(4, low, 500);
	if (result == -ENOSYS) {
		printf("unavailable 32-bit calls\n");
		exit(0);
	}
	CHECK(result == 500);
	sent += 500;
	swallow(500);
	offer(400);
	usleep(20000);
	CHECK(compat_call(3, low, 400) == 400);
	received += 400;
#endif
}

/* --- a thread waits in a call while another changes what its descriptor stands for ----------------------------- */

static int moving;

static void *read_moving(void *bytes)
{
	CHECK(read(moving, bytes, 64) == 64);
	return bytes;
}

static void await(pthread_t *thread, int file, unsigned char *bytes)
{
	moving = dup(file);
	CHECK(moving >= 0 && !pthread_create(thread, NULL, read_moving, bytes));
	usleep(200000);
}

static void swapped(void)
{
	unsigned char bytes[64], others[64];
	pthread_t thread;
	CHECK(!pipe(pipes));
	memset(others, SECRET, 64);
	/* From the socket to a pipe: what it reads are the socket's bytes all the same. */
	await(&thread, here, bytes);
	CHECK(dup2(pipes[0], moving) == moving);
	offer(64);
	pthread_join(thread, NULL);
	close(moving);
	/* From the pipe to the socket. */
	await(&thread, pipes[0], bytes);
	CHECK(dup2(here, moving) == moving && write(pipes[1], others, 64) == 64);
	pthread_join(thread, NULL);
	close(moving);
	offer(64);
	CHECK(recv(here, bytes, 64, MSG_WAITALL) == 64);
	received += 128;
}

static pthread_t waiter;

/* Before the probes are there. */
static void begin_waiting(const char *family)
{
	static unsigned char bytes[64];
	connect_pair(family);
	await(&waiter, here, bytes);
}

static void waiting(void)
{
	unsigned char bytes[64];
	offer(64);
	pthread_join(waiter, NULL);
	offer(64);
	CHECK(recv(here, bytes, 64, MSG_WAITALL) == 64);
	received += 128;
}

/* Thrown away on the way: what is in the buffer is not the socket's. */
static void truncated(void)
{
	unsigned char bytes[64], others[64];
	memset(others, SECRET, 64);
	offer(64);
	usleep(20000);
	CHECK(recv(here, others, 64, MSG_TRUNC) == 64);
	offer(64);
	CHECK(recv(here, bytes, 64, MSG_WAITALL) == 64);
	received += 128;
}

static void *say_and_leave(void *unused)
{
	usleep(1000);
	offered = 0;
	offer(64);
	close(there);
	return unused;
}

/* Connections that end in every order, at once and a little later. */
static void closing(const char *family)
{
	unsigned char bytes[100];
	for (int round = 0; round < 24; round++) {
		pthread_t thread;
		bool first = round & 1, waits = round & 2, fails = round & 4;
		if (round) connect_pair(family);
		fill(bytes, 0, 64);
		CHECK(write(here, bytes, 64) == 64);
		if (first) CHECK(!shutdown(here, SHUT_WR));
		if (first && fails) CHECK(send(here, bytes, 64, MSG_NOSIGNAL) < 0 && errno == EPIPE);
		swallow(64);
		CHECK(!pthread_create(&thread, NULL, say_and_leave, NULL));
		if (waits) usleep(20000);
		size_t got = 0;
		for (ssize_t n; (n = read(here, bytes, sizeof(bytes))) > 0;)
			got += n;
		CHECK(got == 64 && read(here, bytes, sizeof(bytes)) == 0 && !pthread_join(thread, NULL));
		close(here);
	}
	sent = received = 64;
	usleep(100000);
}

static void spliced(void)
{
	unsigned char bytes[64];
	CHECK(!pipe(pipes));
	offer(64);
	usleep(20000);
	CHECK(splice(here, NULL, pipes[1], NULL, 64, 0) == 64);
	offer(64);
	CHECK(recv(here, bytes, 64, MSG_WAITALL) == 64);
	received += 128;
}

/* The kernel says that it is done with what it sent from our memory: nothing of the stream, and not its end. */
static void noticed(void)
{
	static unsigned char bytes[5000];
	int one = 1;
	struct msghdr message = { 0 };
	struct pollfd notice = { .fd = here };
	CHECK(!setsockopt(here, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	fill(bytes, sent, sizeof(bytes));
	CHECK(send(here, bytes, sizeof(bytes), MSG_ZEROCOPY) == sizeof(bytes));
	sent += sizeof(bytes);
	swallow(sizeof(bytes));
	CHECK(poll(&notice, 1, 10000) == 1 && notice.revents & POLLERR);
	CHECK(recvmsg(here, &message, MSG_ERRQUEUE) == 0);
	offer(64);
	CHECK(recv(here, bytes, 64, MSG_WAITALL) == 64);
	received += 64;
}

static void large(void)
{
	size_t n = 300000;
	unsigned char *bytes = malloc(n);
	int size = 1 << 20;
	setsockopt(here, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fill(bytes, sent, n);
	pthread_t thread;
	CHECK(!pthread_create(&thread, NULL, (void *(*)(void *))(void *)swallow, (void *)n));
	CHECK(write(here, bytes, n) == (ssize_t)n);
	sent += n;
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	char line[16];
	CHECK(argc == 3);
	const char *scene = argv[1];
	bool of_device = !strncmp(scene, "block-", 6), unshared = !strcmp(scene, "unshared");
	bool waits = !strcmp(scene, "waiting");
	if (!strcmp(scene, "compat")) compat_program(argv);
	if (of_device) block_open();
	if (waits) begin_waiting(argv[2]);
	bool within = !strcmp(scene, "messages-begun");
	if (within) begin_parts(argv[2]);
	CHECK(fgets(line, sizeof(line), stdin));
	if (!of_device && !unshared && !waits && !within) connect_pair(argv[2]);
	if (waits) waiting();
	else if (within) end_parts();
	else if (!strcmp(scene, "forms")) forms(5000);
	else if (!strcmp(scene, "small-forms")) forms(9);
	else if (!strcmp(scene, "vectors")) vectors_at_random();
	else if (!strcmp(scene, "peek")) peek();
	else if (!strcmp(scene, "urgent")) urgent();
	else if (!strcmp(scene, "unbuffered")) unbuffered();
	else if (!strcmp(scene, "io_uring")) io_uring();
	else if (!strcmp(scene, "io_uring-elsewhere")) io_uring_elsewhere();
	else if (!strcmp(scene, "io_uring-worker")) io_uring_worker();
	else if (!strcmp(scene, "compat")) compat();
	else if (!strcmp(scene, "packets")) packets();
	else if (!strcmp(scene, "packets-io_uring")) packets_io_uring();
	else if (!strcmp(scene, "packets-waiting")) packets_waiting();
	else if (!strcmp(scene, "packets-new")) packets_of_new_connections(argv[2]);
	else if (!strcmp(scene, "large")) large();
	else if (!strcmp(scene, "closing")) closing(argv[2]);
	else if (!strcmp(scene, "swapped")) swapped();
	else if (!strcmp(scene, "truncated")) truncated();
	else if (!strcmp(scene, "spliced")) spliced();
	else if (!strcmp(scene, "noticed")) noticed();
	else if (!strcmp(scene, "messages-cut")) messages_cut(1);
	else if (!strcmp(scene, "messages-cut-vectors")) messages_cut(5);
	else if (!strcmp(scene, "messages-few")) messages_few();
	else if (!strcmp(scene, "messages-faulty")) messages_faulty();
	else if (!strcmp(scene, "messages-late")) messages_late();
	else if (!strcmp(scene, "messages-empty")) messages_empty();
	else if (!strcmp(scene, "block-read")) block(O_DIRECT, 4096, false);
	else if (!strcmp(scene, "block-write")) block(O_DIRECT, 4096, true);
	else if (!strcmp(scene, "block-write-byte")) block(O_SYNC, 1, true);
	else if (unshared) unshared_sockets();
	else return 2;
	printf("sent %zu received %zu\n", sent, received);
	return 0;
}
