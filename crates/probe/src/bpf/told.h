/* SPDX-License-Identifier: Dual MIT/GPL */
/* What both objects keep alike: what user space tells them, what they tell it, and what they count. After kernel.h. */
#ifndef OVERHEAR_TOLD_H
#define OVERHEAR_TOLD_H

#include "record.h"

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

/*
 * Socket, as records call it, to enum verdict: written by user space, deleted when the socket closes. Least recently used, since a
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

/* A call that passed the filters, and how much it moved. */
static __always_inline void count_heard(int bytes)
{
	__u32 zero = 0;
	struct heard_count *count = bpf_map_lookup_elem(&heard, &zero);
	if (count) {
		count->events++;
		if (bytes > 0)
			count->bytes += bytes;
	}
}

#endif
