/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in no buffer of a call, again and again: after the first time they are in packets. */
#ifndef OVERHEAR_PACKETS_H
#define OVERHEAR_PACKETS_H

#include "peer.h"
#include "uring.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

/* Microseconds in which the listener sees what was, and has packets copied: a machine that is emulated needs more of them. */
static useconds_t awhile(void)
{
	const char *said = getenv("OVERHEAR_AWHILE");
	return said ? atoi(said) : 150000;
}

/* A file that holds what comes next. */
static int file_of_next(size_t n)
{
	int file = memfd_create("file", 0);
	unsigned char *bytes = malloc(n);
	fill(bytes, sent, n);
	CHECK(write(file, bytes, n) == (ssize_t)n && !lseek(file, 0, SEEK_SET));
	free(bytes);
	return file;
}

static void send_file(size_t n)
{
	int file = file_of_next(n);
	pthread_t thread;
	CHECK(!pthread_create(&thread, NULL, (void *(*)(void *))(void *)swallow, (void *)n));
	for (size_t left = n; left;) {
		ssize_t put = sendfile(here, file, NULL, left);
		CHECK(put > 0);
		left -= put;
	}
	sent += n;
	pthread_join(thread, NULL);
	close(file);
}

static void splice_out(size_t n)
{
	int pipes[2];
	unsigned char bytes[4096];
	fill(bytes, sent, n);
	CHECK(!pipe(pipes) && write(pipes[1], bytes, n) == (ssize_t)n);
	CHECK(splice(pipes[0], NULL, here, NULL, n, 0) == (ssize_t)n);
	sent += n;
	swallow(n);
	close(pipes[0]), close(pipes[1]);
}

/* After so many bytes were offered. */
static void splice_in(size_t more, size_t n)
{
	int pipes[2];
	CHECK(!pipe(pipes));
	offer(more);
	usleep(20000);
	for (size_t left = n; left;) {
		ssize_t got = splice(here, NULL, pipes[1], NULL, left, 0);
		CHECK(got > 0);
		left -= got;
	}
	received += n;
	close(pipes[0]), close(pipes[1]);
}

static void packets(void)
{
	unsigned char bytes[100];
	for (int round = 0; round < 3; round++) {
		fill(bytes, sent, 100);
		CHECK(write(here, bytes, 100) == 100);
		sent += 100;
		swallow(100);
		send_file(5000);
		splice_out(3000);
		send_file(100000);
		splice_in(64, 64);
		offer(100);
		CHECK(recv(here, bytes, 100, MSG_WAITALL) == 100);
		received += 100;
		splice_in(60000, 60000);
		usleep(awhile());
	}
}

/*
 * Each direction's first gap has its packets copied from then on. By that time bytes wait in the socket: what comes in was
 * received before, and what leaves is sent behind what does not leave, as the other end does not read.
 */
static void packets_waiting(void)
{
	int small = 1 << 15, left = 0;
	CHECK(!setsockopt(there, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	CHECK(!setsockopt(here, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	offer(20000);
	splice_in(0, 1000);
	int file = file_of_next(1 << 20);
	ssize_t put = 0, more;
	CHECK(!fcntl(here, F_SETFL, O_NONBLOCK));
	while ((more = sendfile(here, file, NULL, (1 << 20) - put)) > 0)
		put += more;
	CHECK(errno == EAGAIN && !ioctl(here, SIOCOUTQNSD, &left) && left > 0 && !fcntl(here, F_SETFL, 0));
	close(file);
	sent += put;
	usleep(awhile());
	splice_in(0, 19000);
	splice_in(3000, 3000);
	swallow(put);
	send_file(5000);
}

static void packets_io_uring(void)
{
	struct ring ring;
	unsigned char *bytes = malloc(50000);
	ring_open(&ring);
	for (int round = 0; round < 3; round++) {
		fill(bytes, sent, 50000);
		ring_submit(&ring, IORING_OP_SEND, bytes, 50000, 1);
		CHECK(ring_result(&ring) == 50000);
		sent += 50000;
		swallow(50000);
		offer(2000);
		ring_submit(&ring, IORING_OP_RECV, bytes, 2000, 1);
		CHECK(ring_result(&ring) == 2000);
		received += 2000;
		usleep(awhile());
	}
}

/* A server that sends a file at once to each who connects. */
static void packets_of_new_connections(const char *family)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	unsigned char bytes[10];
	int listener = socket(!strcmp(family, "inet6") ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	CHECK(!listen(listener, 8) && !getsockname(listener, (void *)&address, &size));
	for (int round = 0; round < 3; round++) {
		there = socket(address.ss_family, SOCK_STREAM, 0);
		CHECK(!connect(there, (void *)&address, size));
		here = accept(listener, NULL, NULL);
		sent = offered = 0;
		/* Whose it is shows when it is used: what it sends without having received is not heard under --pid. */
		offer(10);
		CHECK(recv(here, bytes, 10, MSG_WAITALL) == 10);
		send_file(5000);
		close(here), close(there);
		usleep(awhile());
	}
	received = 0;
}

#endif
