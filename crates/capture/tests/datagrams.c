/*
 * Moves datagrams between two sockets of its own, in every form of call, for datagrams.rs: `datagrams SCENE`. Waits for a line on
 * standard input first, and prints `sent N received M` of all of them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SIZE 1200
#define LONGEST 65536

static uint64_t sent, received;
static int server, client;
static struct sockaddr_in at;

static void check(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

/* The head of an Initial packet, then its number. */
static uint8_t *opening(int number)
{
	static uint8_t all[8][SIZE + 8];
	uint8_t *datagram = all[number % 8];
	memset(datagram, number, sizeof(all[0]));
	memcpy(datagram, "\xc3\0\0\0\1\10", 6);
	return datagram;
}

static void took(ssize_t n, size_t expected)
{
	check(n == (ssize_t)expected, "receive");
	received += n;
}

static void sends(ssize_t n, size_t expected)
{
	check(n == (ssize_t)expected, "send");
	sent += n;
}

static void forms(void)
{
	static uint8_t in[4][LONGEST];
	struct iovec out[3], into[4];
	struct mmsghdr messages[3] = {};
	struct sockaddr_in from;
	socklen_t length = sizeof(from);

	/* sendto and recvfrom, looked at before. */
	sends(sendto(client, opening(1), SIZE + 1, 0, (void *)&at, sizeof(at)), SIZE + 1);
	check(recv(server, in[0], LONGEST, MSG_PEEK) == SIZE + 1, "peek");
	took(recvfrom(server, in[0], LONGEST, 0, (void *)&from, &length), SIZE + 1);

	/* sendmsg and recvmsg. */
	out[0] = (struct iovec){ opening(2), SIZE + 2 };
	into[0] = (struct iovec){ in[0], LONGEST };
	struct msghdr message = { .msg_name = &at, .msg_namelen = sizeof(at), .msg_iov = out, .msg_iovlen = 1 };
	sends(sendmsg(client, &message, 0), SIZE + 2);
	message = (struct msghdr){ .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = into, .msg_iovlen = 1 };
	took(recvmsg(server, &message, 0), SIZE + 2);

	/* sendmmsg and recvmmsg: more room than there are messages. */
	for (int i = 0; i < 3; i++) {
		out[i] = (struct iovec){ opening(3 + i), SIZE + 3 + i };
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &at, .msg_namelen = sizeof(at), .msg_iov = out + i, .msg_iovlen = 1 };
	}
	check(sendmmsg(client, messages, 3, 0) == 3, "sendmmsg");
	sent += 3 * SIZE + 3 + 4 + 5;
	struct mmsghdr taken[4] = {};
	for (int i = 0; i < 4; i++) {
		into[i] = (struct iovec){ in[i], LONGEST };
		taken[i].msg_hdr = (struct msghdr){ .msg_iov = into + i, .msg_iovlen = 1 };
	}
	check(recvmmsg(server, taken, 4, MSG_WAITFORONE, NULL) == 3, "recvmmsg");
	received += 3 * SIZE + 3 + 4 + 5;

	/* Several datagrams to one call: the first is told, all are counted. */
	uint8_t *three = malloc(3 * SIZE);
	for (int i = 0; i < 3; i++)
		memcpy(three + i * SIZE, opening(6), SIZE);
	union {
		char space[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr head;
	} control = {};
	out[0] = (struct iovec){ three, 3 * SIZE };
	message = (struct msghdr){ .msg_name = &at, .msg_namelen = sizeof(at), .msg_iov = out, .msg_iovlen = 1,
				   .msg_control = control.space, .msg_controllen = sizeof(control.space) };
	control.head = (struct cmsghdr){ .cmsg_level = IPPROTO_UDP, .cmsg_type = 103, .cmsg_len = CMSG_LEN(sizeof(uint16_t)) };
	uint16_t segment = SIZE;
	memcpy(CMSG_DATA(&control.head), &segment, sizeof(segment));
	sends(sendmsg(client, &message, 0), 3 * SIZE);
	for (int i = 0; i < 3; i++)
		took(read(server, in[0], LONGEST), SIZE);

	/* A socket with one peer. */
	check(!connect(client, (void *)&at, sizeof(at)), "connect");
	sends(send(client, opening(7), SIZE + 7, 0), SIZE + 7);
	took(read(server, in[0], LONGEST), SIZE + 7);
}

/* What goes on, as both ends' datagrams do. */
static void go_on(int many)
{
	uint8_t datagram[100], in[LONGEST];
	memset(datagram, 0x41, sizeof(datagram));
	for (int i = 0; i < many; i++) {
		sends(sendto(client, datagram, sizeof(datagram), 0, (void *)&at, sizeof(at)), sizeof(datagram));
		took(recv(server, in, sizeof(in), 0), sizeof(datagram));
	}
}

/* First bytes of a query and of its answer, of NTP, RTP, STUN, DTLS, WireGuard, and of a text. */
static void others(void)
{
	static const char *const first[] = { "\x12\x34\1\0\0\1", "\xe3\0\6\xec\0\0", "\x80\x60\0\1\0\0", "\0\1\0\10\x21\x12",
					     "\x16\xfe\xfd\0\0\0", "\1\0\0\0\1\1", "hello!", "\xc0\0\0\0\2\10" };
	uint8_t in[LONGEST];
	for (int kind = 0; kind < 8; kind++) {
		uint8_t datagram[200] = {};
		memcpy(datagram, first[kind], 6);
		int one = socket(AF_INET, SOCK_DGRAM, 0);
		for (int i = 0; i < 200; i++) {
			sends(sendto(one, datagram, sizeof(datagram), 0, (void *)&at, sizeof(at)), sizeof(datagram));
			took(recv(server, in, sizeof(in), 0), sizeof(datagram));
		}
		close(one);
	}
}

/* Nanoseconds of the processor per datagram that is sent and received. */
static void rate(int many, int first)
{
	uint8_t datagram[SIZE], in[LONGEST];
	struct timespec before, after;
	memset(datagram, first, sizeof(datagram));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (int i = 0; i < many; i++) {
		sends(sendto(client, datagram, SIZE, 0, (void *)&at, sizeof(at)), SIZE);
		took(recv(server, in, sizeof(in), 0), SIZE);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	uint64_t ns = (after.tv_sec - before.tv_sec) * 1000000000ull + after.tv_nsec - before.tv_nsec;
	printf("%llu ns\n", (unsigned long long)(ns / many / 2));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[16];
	socklen_t length = sizeof(at);
	const char *scene = argc > 1 ? argv[1] : "";

	check(fgets(line, sizeof(line), stdin) != NULL, "no line");
	server = socket(AF_INET, SOCK_DGRAM, 0);
	client = socket(AF_INET, SOCK_DGRAM, 0);
	at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	check(!bind(server, (void *)&at, sizeof(at)) && !getsockname(server, (void *)&at, &length), "bind");
	if (!strcmp(scene, "forms")) {
		forms();
		go_on(1000);
	} else if (!strcmp(scene, "others")) {
		others();
	} else if (!strcmp(scene, "rate-quic")) {
		sends(sendto(client, opening(1), SIZE, 0, (void *)&at, sizeof(at)), SIZE);
		took(recv(server, (uint8_t[LONGEST]){}, LONGEST, 0), SIZE);
		rate(500000, 0x41);
	} else if (!strcmp(scene, "rate-other")) {
		rate(500000, 0x80);
	}
	printf("sent %llu received %llu\n", (unsigned long long)sent, (unsigned long long)received);
	return 0;
}
