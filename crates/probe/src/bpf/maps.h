/* SPDX-License-Identifier: Dual MIT/GPL */
/* What the probes keep of sockets and threads. */
#ifndef OVERHEAR_MAPS_H
#define OVERHEAR_MAPS_H

#include "kernel.h"
#include "told.h"

/* Whether a direction's packets are copied. */
enum packets_copied {
	PACKETS_LEFT = 0,
	PACKETS_COPIED = 1,
	PACKETS_NEVER = 2, /* TCP's numbers are not those of our offsets */
};

/* What a socket has been through. Lives and dies with the socket. */
struct socket_state {
	__u64 cookie;    /* the socket's, once it was asked for: one helper call less per event */
	__u64 moved[2];  /* bytes per enum way, since first seen */
	__u32 copied[2]; /* of those copied while undecided */
	__u32 epoch;
	__u8 verdict;
	__u8 announced;
	__u8 role;
	__u8 owned;      /* its process is in `speakers` */
	__u8 has_file;   /* a program's, not the kernel's own; stays so */
	__u8 sealed;     /* what moves is ciphertext, and its plaintext is heard */
	__u32 connector; /* thread group that called connect; 0 = another way */
	char comm[16];   /* of its leader */
	__u64 opened;    /* when, CLOCK_MONOTONIC; 0 = before us */
	__u64 tallied[2]; /* when `moved` was told under VERDICT_TALLY */
	__u32 file_tgid; /* where it is in `files`; 0 = nowhere */
	__u32 file_fd;
	__u32 first[2];  /* TCP's number of each direction's first byte, where `counted` */
	__u8 counted[2];
	__u8 packets[2]; /* enum packets_copied */
	__u8 needless[2]; /* calls since whose bytes were in a buffer, while packets were copied */
	__u16 header;    /* bytes of a packet's TCP header that carries no more than usual */
	__u32 room[2];   /* bytes copied from packets since `room_since`, or since the other end said something */
	__u64 room_since[2];
};

/* Where a thread is within one sendmmsg or recvmmsg. */
struct messages_state {
	__u64 socket; /* cookie; 0 = any: the call was under way when we came */
	__u64 buffer;
	__u64 stack;
	__u64 count;
	__u32 number;
	__u32 next;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct messages_state);
} messages SEC(".maps");

/* Process and thread, as bpf_get_current_pid_tgid has them: a load that the verifier inlines, where that is a call. */
static __always_inline __u64 thread_now(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	return (__u64)task->tgid << 32 | (__u32)task->pid;
}

static __always_inline __u8 verdict_of(__u8 *cached, __u32 *epoch, struct settings *set, __u64 socket)
{
	if (*cached != VERDICT_ASK && *epoch == set->epoch)
		return *cached;
	__u8 *found = bpf_map_lookup_elem(&verdicts, &socket);
	if (found)
		*cached = *found;
	*epoch = set->epoch;
	return *cached;
}

#endif
