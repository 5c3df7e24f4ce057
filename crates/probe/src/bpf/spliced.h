/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * Bytes that leave a TCP socket without a receive: splice(2) moves them to a pipe, and no tracepoint of sockets says so.
 * One of TCP fires then as at every receive; and where in its stream the program has got to, the kernel counts.
 */
#ifndef OVERHEAR_SPLICED_H
#define OVERHEAR_SPLICED_H

#include "copy.h"
#include "identity.h"
#include "packets.h"
#include "tally.h"

/* Bytes that the program took since the last that was told of. */
static __always_inline __u32 taken_unheard(struct sock *sk, struct socket_state *state)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || tcp->inet_conn.icsk_ulp_ops)
		return 0;
	__u32 taken = tcp->copied_seq - state->first[WAY_RECEIVED] - end_was_read(sk, tcp) - (__u32)state->moved[WAY_RECEIVED];
	return taken > 0x7fffffff ? 0 : taken;
}

static __always_inline void on_spliced(struct sock *sk, struct settings *set)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (!is_tcp(sk) || !port_wanted(sk, set) || !process_wanted(task->tgid, set))
		return;
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state || state->sealed)
		return;
	if (!state->counted[WAY_RECEIVED]) {
		count_from_here(sk, state, WAY_RECEIVED, 0);
		return;
	}
	__u64 cookie = bpf_get_socket_cookie(sk);
	__u8 verdict = verdict_of(&state->verdict, &state->epoch, set, cookie);
	if (verdict == VERDICT_IGNORE || verdict == VERDICT_CARRIES || verdict == VERDICT_SEALED)
		return;
	__u32 size = taken_unheard(sk, state);
	if (!size)
		return;
	if (verdict == VERDICT_TALLY) {
		tally(state->moved, state->tallied, cookie, WAY_RECEIVED, size);
		return;
	}
	struct copy copy = {
		.socket = cookie,
		.offset = __sync_fetch_and_add(&state->moved[WAY_RECEIVED], size),
		.way = WAY_RECEIVED,
		.number = SPLICE,
	};
	bool copied = packets_are_copied(state, WAY_RECEIVED);
	if (!announce(sk, state, set, cookie, true)) {
		lose(LOSS_RING_FULL, size);
		return;
	}
	if (!state->owned)
		state->owned = speaks(task->tgid);
	__u64 end = copy.offset + size;
	bool may_come = may_come_by_packets(sk, state, set, WAY_RECEIVED, end);
	copy.comes = may_come && comes_by_packets(state, set, WAY_RECEIVED, copied);
	emit_gap(&copy, size, LOSS_NO_BUFFER);
	if (may_come)
		want_packets(sk, state, set, cookie, WAY_RECEIVED);
}

#endif
