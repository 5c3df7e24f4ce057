/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices behind which there is a socket: the kernel itself talks over it. */
#ifndef OVERHEAR_BLOCK_H
#define OVERHEAR_BLOCK_H

#include "peer.h"

#include <fcntl.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>

/* --- a network block device: the kernel talks over our socket, in whichever thread uses the device ------------- */

static int device = -1;

static void move(int fd, void *bytes, size_t n, ssize_t (*way)(int, void *, size_t))
{
	for (size_t at = 0; at < n;) {
		ssize_t moved = way(fd, (char *)bytes + at, n - at);
		if (moved <= 0)
			exit(0);
		at += moved;
	}
}

/* Answers the device's requests until it leaves. */
static void block_server(void)
{
	static char block[1 << 20];
	struct nbd_request request;
	do {
		move(there, &request, sizeof(request), read);
		struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC) };
		size_t n = ntohl(request.len);
		memcpy(reply.handle, request.handle, sizeof(reply.handle));
		if (request.type == htonl(NBD_CMD_WRITE))
			move(there, block, n, read);
		move(there, &reply, sizeof(reply), (ssize_t (*)(int, void *, size_t))write);
		if (request.type == htonl(NBD_CMD_READ))
			move(there, block, n, (ssize_t (*)(int, void *, size_t))write);
	} while (request.type != htonl(NBD_CMD_DISC));
	exit(0);
}

static void *block_run(void *unused)
{
	ioctl(device, NBD_DO_IT);
	return unused;
}

/* Before the probes are told of us, so that they do not follow the server. */
static void block_open(void)
{
	pthread_t thread;
	device = open("/dev/nbd0", O_RDWR);
	if (device < 0)
		return;
	connect_pair("inet");
	if (!fork()) {
		close(here);
		block_server();
	}
	close(there);
	CHECK(!ioctl(device, NBD_SET_BLKSIZE, 4096UL) && !ioctl(device, NBD_SET_SIZE_BLOCKS, 16UL));
	CHECK(!ioctl(device, NBD_SET_SOCK, (unsigned long)here));
	CHECK(!pthread_create(&thread, NULL, block_run, NULL));
	usleep(500000);
}

/* Eight reads or writes of n bytes; the flags say how soon the device is asked. */
static void block(int flags, ssize_t n, bool writes)
{
	void *bytes;
	if (device < 0) {
		printf("unavailable network block devices\n");
		exit(0);
	}
	int file = open("/dev/nbd0", O_RDWR | flags);
	CHECK(file >= 0 && !posix_memalign(&bytes, 4096, 4096));
	memset(bytes, SECRET, 4096);
	for (int i = 0; i < 8; i++) {
		CHECK(lseek(file, i * 4096, SEEK_SET) >= 0);
		CHECK((writes ? write(file, bytes, n) : read(file, bytes, n)) == n);
	}
	close(file);
	CHECK(!ioctl(device, NBD_DISCONNECT));
}

/* --- a block device that has its sockets to itself: the kernel talks to a monitor, who is us ------------------- */

static void *add_device(void *port)
{
	char line[100];
	int add = open("/sys/bus/rbd/add_single_major", O_WRONLY);
	if (add < 0) {
		printf("unavailable Ceph block devices\n");
		exit(0);
	}
	int n = snprintf(line, sizeof(line), "127.0.0.1:%d name=admin,mount_timeout=5 pool image", ntohs((in_port_t)(long)port));
	/* Nobody answers; who listens is gone before this ends. */
	CHECK(write(add, line, n) == n);
	return NULL;
}

/* Takes the monitor's part up to the first word of the kernel. */
static void unshared_sockets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	char word[4];
	pthread_t thread;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!bind(listener, (void *)&address, size) && !listen(listener, 1) && !getsockname(listener, (void *)&address, &size));
	CHECK(!pthread_create(&thread, NULL, add_device, (void *)(long)address.sin_port));
	here = accept(listener, NULL, NULL);
	CHECK(here >= 0 && recv(here, word, sizeof(word), MSG_WAITALL) == sizeof(word) && !memcmp(word, "ceph", 4));
	received += sizeof(word);
}

#endif
