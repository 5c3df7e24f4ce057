/* SPDX-License-Identifier: Apache-2.0 */
/* A connected pair of sockets, and the part of the end that is not under test. */
#ifndef OVERHEAR_PEER_H
#define OVERHEAR_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATTERN(n) ((unsigned char)(((n) * 31 + 7 + ((n) >> 8)) & 0x7f))
#define SECRET 0xee
#define CHECK(x) do { if (!(x)) { fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno)); exit(1); } } while (0)

static int here, there; /* the end under test, and the other, in another thread */
static size_t sent, received;

static void fill(unsigned char *to, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = PATTERN(from + i);
}

static void connect_pair(const char *family)
{
	if (!strcmp(family, "unix")) {
		int pair[2];
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		here = pair[0], there = pair[1];
		return;
	}
	int v6 = !strcmp(family, "inet6");
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = v6 ? (void *)&a6 : (void *)&a4;
	socklen_t size = v6 ? sizeof(a6) : sizeof(a4);
	int listener = socket(address->sa_family, SOCK_STREAM, 0);
	CHECK(!bind(listener, address, size) && !listen(listener, 1) && !getsockname(listener, address, &size));
	here = socket(address->sa_family, SOCK_STREAM, 0);
	CHECK(!connect(here, address, size));
	there = accept(listener, NULL, NULL);
	CHECK(there >= 0);
	close(listener);
}

/* The other end swallows n bytes. It does so with io_uring-free plain reads; its own records are not looked at. */
static void swallow(size_t n)
{
	static unsigned char sink[1 << 20];
	while (n) {
		ssize_t got = read(there, sink, n < sizeof(sink) ? n : sizeof(sink));
		CHECK(got > 0);
		n -= got;
	}
}

static size_t offered;

static void offer(size_t n)
{
	unsigned char *bytes = malloc(n);
	fill(bytes, offered, n);
	offered += n;
	for (size_t at = 0; at < n;) {
		ssize_t put = write(there, bytes + at, n - at);
		CHECK(put > 0);
		at += put;
	}
	free(bytes);
}

/* n bytes in so many vectors. */
static void cut(struct iovec *vectors, int count, unsigned char *bytes, size_t n)
{
	for (int i = 0; i < count; i++) {
		size_t piece = i == count - 1 ? n : n / (count - i);
		vectors[i].iov_base = bytes;
		vectors[i].iov_len = piece;
		bytes += piece, n -= piece;
	}
}

#endif
