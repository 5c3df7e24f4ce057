/* SPDX-License-Identifier: Dual MIT/GPL */
/* What the probes keep, what user space tells them, and what they count. */
#ifndef OVERHEAR_MAPS_H
#define OVERHEAR_MAPS_H

#include "kernel.h"
#include "record.h"

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
	__u32 file_tgid; /* where it is in `files`; 0 = nowhere */
	__u32 file_fd;
};

/* Where a thread is within one sendmmsg or recvmmsg. */
struct messages_state {
	__u64 socket; /* cookie */
	__u64 buffer;
	__u64 stack;
	__u64 count;
	__u32 number;
	__u32 next;
};

struct loss_count {
	__u64 events;
	__u64 bytes;
};

struct heard_count {
	__u64 events;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

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

/*
 * Socket cookie to enum verdict: written by user space, deleted when the socket closes. Least recently used, since a
 * verdict may come after its socket is gone and nobody would delete it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u8);
} verdicts SEC(".maps");

/* Thread groups to hear under FILTER_PIDS. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, __u8);
} targets SEC(".maps");

/* Thread groups that used a socket we hear: nobody else's exec and exit is worth a record. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);
	__type(value, __u8);
} speakers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_REASONS);
	__type(key, __u32);
	__type(value, struct loss_count);
} losses SEC(".maps");

/* Index 0: all calls that passed the filters, whatever became of them. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heard_count);
} heard SEC(".maps");

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

static __always_inline struct settings *get_settings(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline void lose(__u8 reason, __u64 bytes)
{
	__u32 key = reason;
	struct loss_count *count = bpf_map_lookup_elem(&losses, &key);
	if (count) {
		count->events++;
		count->bytes += bytes;
	}
}

#endif
