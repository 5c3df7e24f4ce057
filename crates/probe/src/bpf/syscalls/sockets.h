/* SPDX-License-Identifier: Dual MIT/GPL */
/* Which sockets are heard, and whose they are. A socket is an address here: every look at it is a copy. */
#ifndef OVERHEAR_SYSCALLS_SOCKETS_H
#define OVERHEAR_SYSCALLS_SOCKETS_H

#include "count.h"
#include "held.h"
#include "../answer.h"

static __always_inline bool is_tcp(struct sock *sk, __u16 family)
{
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);
	return (family == AF_INET || family == AF_INET6) && BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

static __always_inline bool port_wanted(struct sock *sk, __u16 family, struct settings *set)
{
	if (!(set->flags & FILTER_PORTS))
		return true;
	if (family == AF_UNIX)
		return false;
	__u16 remote = BPF_CORE_READ(sk, __sk_common.skc_dport);
	__u16 local = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
	for (int i = 0; i < MAX_PORTS; i++) {
		if (i >= set->port_count)
			break;
		if (set->ports[i] == remote || set->ports[i] == local)
			return true;
	}
	return false;
}

/* Connected to one, as those of resolvers are. */
static __always_inline bool is_name_server(struct sock *sk, __u16 family)
{
	return (family == AF_INET || family == AF_INET6) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_UDP &&
	       BPF_CORE_READ(sk, __sk_common.skc_dport) == bpf_htons(NAME_SERVER);
}

static __always_inline __u8 socket_wanted(struct sock *sk, struct settings *set)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (!port_wanted(sk, family, set))
		return NOT_HEARD;
	if (family == AF_UNIX)
		return BPF_CORE_READ(sk, sk_type) == SOCK_STREAM ? HEARD : NOT_HEARD;
	if (is_tcp(sk, family))
		return HEARD;
	return is_name_server(sk, family) ? ANSWERS : NOT_HEARD;
}

static __always_inline bool process_wanted(__u32 tgid, struct settings *set)
{
	if (tgid == set->self)
		return false;
	return !(set->flags & FILTER_PIDS) || bpf_map_lookup_elem(&targets, &tgid);
}

/* Whatever was at this address before, it is a socket that nobody has seen. */
static __always_inline struct socket_state *begin(__u64 sk, __u64 inode, __u8 heard, __u8 role, __u64 flags)
{
	struct socket_state state = {
		/* No two sockets are first seen by one CPU in one nanosecond. */
		.id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff),
		.inode = inode,
		.heard = heard,
		.role = role,
	};
	bpf_map_update_elem(&sockets, &sk, &state, flags);
	return bpf_map_lookup_elem(&sockets, &sk);
}

static __always_inline struct socket_state *state_of(struct held *held, struct settings *set)
{
	__u64 sk = held->sk;
	struct socket_state *state = bpf_map_lookup_elem(&sockets, &sk);
	if (state && !state->inode)
		state->inode = held->inode; /* accepted meanwhile */
	if (state && state->inode == held->inode)
		return state;
	__u8 wanted = socket_wanted((struct sock *)sk, set);
	/* Of two threads that see it first, one is first. */
	state = begin(sk, held->inode, wanted, ROLE_UNKNOWN, state ? BPF_ANY : BPF_NOEXIST);
	if (state && wanted == HEARD)
		count_from_now(sk, state, COUNTED_PERHAPS);
	return state;
}

static __always_inline void copy_addresses(struct sock *sk, __u16 family, __u8 *local, __u8 *remote)
{
	if (family == AF_INET) {
		BPF_CORE_READ_INTO((__u32 *)local, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)remote, sk, __sk_common.skc_daddr);
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)remote, sk, __sk_common.skc_v6_daddr);
	}
}

static __always_inline __u64 peer_inode(struct sock *sk)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	return peer ? inode_of((__u64)peer) : 0;
}

static __always_inline void leader_name(char *comm)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	BPF_CORE_READ_INTO((char(*)[16])comm, task, group_leader, comm);
}

/* Says once per socket whose it is. Tried again on the next event when the ring was full. */
static __always_inline bool announce(__u64 address, struct socket_state *state, bool owner_runs)
{
	if (state->announced)
		return true;
	struct sock *sk = (struct sock *)address;
	struct open_record *open = bpf_ringbuf_reserve(&records, sizeof(*open), 0);
	if (!open) {
		lose(LOSS_RING_FULL, 0);
		return false;
	}
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	fill(&open->head, RECORD_OPEN, state->id);
	__builtin_memset((char *)open + sizeof(open->head), 0, sizeof(*open) - sizeof(open->head));
	open->inode = inode_of(address);
	open->family = family;
	open->role = state->role;
	open->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (family == AF_UNIX) {
		open->peer_inode = peer_inode(sk);
	} else {
		open->local_port = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
		open->remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
		copy_addresses(sk, family, open->local, open->remote);
	}
	if (state->connector) {
		open->head.tgid = open->head.tid = state->connector;
		__builtin_memcpy(open->comm, state->comm, sizeof(open->comm));
	} else if (owner_runs) {
		leader_name(open->comm);
	} else {
		open->head.tgid = 0;
		open->head.tid = 0;
	}
	submit(&open->head);
	state->announced = 1;
	return true;
}

static __always_inline __u8 verdict_of(struct socket_state *state, struct settings *set)
{
	if (state->verdict != VERDICT_ASK && state->epoch == set->epoch)
		return state->verdict;
	__u64 id = state->id;
	__u8 *found = bpf_map_lookup_elem(&verdicts, &id);
	if (found)
		state->verdict = *found;
	state->epoch = set->epoch;
	return state->verdict;
}

#endif
