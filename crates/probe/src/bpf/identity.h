/* SPDX-License-Identifier: Dual MIT/GPL */
/* Which sockets are heard, and whose they are. */
#ifndef OVERHEAR_IDENTITY_H
#define OVERHEAR_IDENTITY_H

#include "maps.h"
#include "ring.h"

static __always_inline bool is_tcp(struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;
	return (family == AF_INET || family == AF_INET6) && sk->sk_type == SOCK_STREAM &&
	       (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_MPTCP);
}

static __always_inline bool is_unix_stream(struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_UNIX && sk->sk_type == SOCK_STREAM;
}

static __always_inline bool is_udp(struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;
	return (family == AF_INET || family == AF_INET6) && sk->sk_protocol == IPPROTO_UDP;
}

static __always_inline bool one_wanted(__u16 remote, __u16 local, struct settings *set)
{
	for (int i = 0; i < MAX_PORTS; i++) {
		if (i >= set->port_count)
			break;
		if (set->ports[i] == remote || set->ports[i] == local)
			return true;
	}
	return false;
}

static __always_inline bool port_wanted(struct sock *sk, struct settings *set)
{
	if (!(set->flags & FILTER_PORTS))
		return true;
	if (sk->__sk_common.skc_family == AF_UNIX)
		return false;
	return one_wanted(sk->__sk_common.skc_dport, bpf_htons(sk->__sk_common.skc_num), set);
}

static __always_inline bool process_wanted(__u32 tgid, struct settings *set)
{
	if (tgid == set->self)
		return false;
	return !(set->flags & FILTER_PIDS) || bpf_map_lookup_elem(&targets, &tgid);
}

static __always_inline __u64 inode_of(struct sock *sk)
{
	struct socket *socket = sk->sk_socket;
	if (!socket)
		return 0;
	struct file *file = socket->file;
	if (!file)
		return 0;
	return file->f_inode->i_ino;
}

static __always_inline void copy_addresses(struct sock *sk, __u16 family, __u8 *local, __u8 *remote)
{
	if (family == AF_INET) {
		__u32 from = sk->__sk_common.skc_rcv_saddr, to = sk->__sk_common.skc_daddr;
		__builtin_memcpy(local, &from, 4);
		__builtin_memcpy(remote, &to, 4);
	} else if (family == AF_INET6) {
		struct in6_addr from = sk->__sk_common.skc_v6_rcv_saddr, to = sk->__sk_common.skc_v6_daddr;
		__builtin_memcpy(local, &from, 16);
		__builtin_memcpy(remote, &to, 16);
	}
}

/* What the kernel knows of a socket; whose it is says the caller. */
static __always_inline void describe(struct open_record *open, __u8 kind, struct sock *sk, __u64 cookie, __u8 role)
{
	__u16 family = sk->__sk_common.skc_family;
	fill(&open->head, kind, cookie);
	__builtin_memset((char *)open + sizeof(open->head), 0, sizeof(*open) - sizeof(open->head));
	open->inode = inode_of(sk);
	open->family = family;
	open->role = role;
	open->netns = sk->__sk_common.skc_net.net->ns.inum;
	if (family == AF_UNIX) {
		struct unix_sock *local = bpf_skc_to_unix_sock(sk);
		struct sock *peer = local ? local->peer : NULL;
		if (peer)
			open->peer_inode = inode_of(peer);
	} else {
		open->local_port = bpf_htons(sk->__sk_common.skc_num);
		open->remote_port = sk->__sk_common.skc_dport;
		copy_addresses(sk, family, open->local, open->remote);
	}
}

/* Says once per socket whose it is. Tried again on the next event when the ring was full. */
static __always_inline bool announce(struct sock *sk, struct socket_state *state, struct settings *set, __u64 cookie,
				     bool owner_runs)
{
	if (state->announced)
		return true;
	struct open_record *open = bpf_ringbuf_reserve(&records, sizeof(*open), 0);
	if (!open) {
		lose(LOSS_RING_FULL, 0);
		return false;
	}
	describe(open, RECORD_OPEN, sk, cookie, state->role);
	if (state->connector) {
		open->head.tgid = open->head.tid = state->connector;
		__builtin_memcpy(open->comm, state->comm, sizeof(open->comm));
	} else if (owner_runs) {
		struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
		__builtin_memcpy(open->comm, leader->comm, sizeof(open->comm));
	} else {
		open->head.tgid = 0;
		open->head.tid = 0;
	}
	submit(&open->head);
	state->announced = 1;
	return true;
}

static __always_inline __u8 speaks(__u32 tgid)
{
	__u8 one = 1;
	bpf_map_update_elem(&speakers, &tgid, &one, BPF_ANY);
	return 1;
}

#endif
