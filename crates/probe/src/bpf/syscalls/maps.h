/* SPDX-License-Identifier: Dual MIT/GPL */
/* What the probes keep of sockets and calls. */
#ifndef OVERHEAR_SYSCALLS_MAPS_H
#define OVERHEAR_SYSCALLS_MAPS_H

#include "kernel.h"
#include "../told.h"

/* Whether the kernel counts the bytes that calls move: those of TCP, and not where another layer changes them. */
enum counted {
	NOT_COUNTED = 0,
	COUNTED_PERHAPS = 1, /* `at` was so at some time; no call since has shown that it is kept */
	COUNTED = 2,
};

enum heard {
	NOT_HEARD = 0,
	HEARD = 1,   /* a stream socket of a port we hear */
	ANSWERS = 2, /* a resolver's: what a name server answers is told */
};

/* What a socket has been through. */
struct socket_state {
	__u64 id;        /* what records call it */
	__u64 inode;     /* 0 = no file yet: not accepted. Tells sockets apart that had the same address */
	__u64 moved[2];  /* bytes per enum way, since first seen */
	__u64 tallied[2]; /* when `moved` was told under VERDICT_TALLY */
	__u64 protocol;  /* the kernel's functions for it, as they were when it was last counted */
	__u32 at[2];     /* how far the kernel was per way, by its own count of the bytes */
	__u32 copied[2]; /* bytes copied while undecided */
	__u32 epoch;
	__u32 connector; /* thread group that called connect; 0 = another way */
	__u8 heard;      /* enum heard */
	__u8 verdict;
	__u8 announced;
	__u8 role;
	__u8 owned;      /* its process is in `speakers` */
	__u8 counted;    /* enum counted */
	__u8 closed;     /* what was received can still be read */
	__u8 sent_all;   /* the FIN is sent, and counted as a byte; 1 or 0 */
	char comm[16];   /* of the connector's leader */
};

/* A socket that a descriptor stands for. */
struct held {
	__u64 sk;
	__u64 inode;
	__u64 way; /* of the bytes of its call */
};

struct copy {
	__u64 socket;
	__u64 offset;   /* of the next byte, in the stream */
	__u64 base;     /* of the next byte, in user memory */
	__u64 vector;   /* the next iovec */
	__u64 message;  /* the next mmsghdr */
	__u32 vectors;  /* how many are left */
	__u32 messages; /* how many are left */
	__u32 piece;    /* bytes left at base */
	__u32 room;     /* bytes left of this message */
	__u32 left;     /* bytes still to copy */
	__u32 number;
	__u8 way;
	__u8 loss;      /* why copying stopped early */
};

/* By the address of struct sock. Sockets have no storage for what is known of them by address alone. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, struct socket_state);
} sockets SEC(".maps");

/* By thread: what the descriptor of its call stood for when it began, where another thread may change that meanwhile. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct held);
} calls SEC(".maps");

/* The copying at hand: the tracepoints of calls run one at a time on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct copy);
} copies SEC(".maps");

static __always_inline struct copy *get_copy(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&copies, &zero);
}

/* The typed task of ../maps.h came with 5.11. */
static __always_inline __u64 thread_now(void)
{
	return bpf_get_current_pid_tgid();
}

#endif
