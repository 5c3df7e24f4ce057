/* SPDX-License-Identifier: Dual MIT/GPL */
/* TCP's own count of a connection's bytes, beside ours. */
#ifndef OVERHEAR_COUNTED_H
#define OVERHEAR_COUNTED_H

#include "maps.h"

/* The other end's FIN was read: it counts as a byte. */
static __always_inline bool end_was_read(struct sock *sk, struct tcp_sock *tcp)
{
	__u8 state = sk->__sk_common.skc_state;
	bool came = state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING || state == TCP_TIME_WAIT;
	return came && tcp->copied_seq == tcp->rcv_nxt;
}

/* From now on what the program moves this way is counted: `untold` bytes that were moved are yet to be told. */
static __always_inline void count_from_here(struct sock *sk, struct socket_state *state, __u8 way, __u32 untold)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	__u32 at = way == WAY_SENT ? tcp->write_seq : tcp->copied_seq;
	state->first[way] = at - untold - (__u32)state->moved[way];
	state->counted[way] = 1;
}

static __always_inline void count_both_from_here(struct sock *sk, struct socket_state *state)
{
	count_from_here(sk, state, WAY_SENT, 0);
	count_from_here(sk, state, WAY_RECEIVED, 0);
}

/* What moves is not counted for a while. */
static __always_inline void count_no_more(struct socket_state *state)
{
	state->counted[WAY_SENT] = state->counted[WAY_RECEIVED] = 0;
	state->packets[WAY_SENT] = state->packets[WAY_RECEIVED] = PACKETS_LEFT;
}

#endif
