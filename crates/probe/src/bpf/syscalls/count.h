/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * The kernel's own count of a TCP socket's bytes, beside what the calls say: what was moved by no call that is seen, as
 * by io_uring, shows as a difference. And bytes that a call says to have moved are this socket's if its count says so.
 */
#ifndef OVERHEAR_SYSCALLS_COUNT_H
#define OVERHEAR_SYSCALLS_COUNT_H

#include "maps.h"

/* TLS in the kernel and socket maps put functions of their own there, and the count is no longer that of the calls. */
static __always_inline __u64 protocol_of(__u64 sk)
{
	return (__u64)BPF_CORE_READ((struct sock___protocol *)sk, __sk_common.skc_prot);
}

/* Whether everything was read, the other end's FIN, too. */
static __always_inline bool read_to_the_end(__u64 sk, __u32 at)
{
	__u8 state = BPF_CORE_READ((struct sock *)sk, __sk_common.skc_state);
	bool ended = state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING || state == TCP_TIME_WAIT ||
		     state == TCP_CLOSE;
	return ended && BPF_CORE_READ((struct tcp_sock *)sk, rcv_nxt) == at;
}

/* From here on. */
static __always_inline void count_from_now(__u64 sk, struct socket_state *state, __u8 counted)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	if (BPF_CORE_READ((struct sock *)sk, sk_protocol) != IPPROTO_TCP)
		return;
	state->protocol = protocol_of(sk);
	state->at[WAY_SENT] = BPF_CORE_READ(tcp, write_seq);
	state->at[WAY_RECEIVED] = BPF_CORE_READ(tcp, copied_seq);
	state->counted = counted;
}

/* What the kernel has counted in one direction since the last look, where a call says it was `expected`. */
static __always_inline __s32 progress(__u64 sk, struct socket_state *state, __u8 way, __u32 expected)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u32 *at = way == WAY_SENT ? &state->at[WAY_SENT] : &state->at[WAY_RECEIVED];
	__u32 now = way == WAY_SENT ? BPF_CORE_READ(tcp, write_seq) - state->sent_all : BPF_CORE_READ(tcp, copied_seq);
	__s32 moved = now - *at;

	if (way == WAY_RECEIVED && moved != expected && read_to_the_end(sk, now))
		now = *at + --moved;
	*at = now;
	return moved;
}

/*
 * Bytes that the socket has moved beyond those of the call at hand; negative if they were told before: two threads that
 * use one socket at a time. `sure` is set where the count shows that the bytes of the call are this socket's.
 */
static __always_inline __s32 unseen(__u64 sk, struct socket_state *state, __u8 way, __u32 size, bool *sure)
{
	if (state->counted == NOT_COUNTED)
		return 0;
	__s32 moved = progress(sk, state, way, size);
	if (protocol_of(sk) != state->protocol) {
		state->counted = NOT_COUNTED;
		return 0;
	}
	if (moved == size && size) {
		state->counted = COUNTED;
		*sure = true;
	}
	return state->counted == COUNTED ? moved - (__s32)size : 0;
}

#endif
