/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * Bytes that are in no buffer of a call (sendfile, splice, io_uring) are in packets: where they leave (net_dev_queue) and
 * where they come in (tcp_probe) the kernel has them, with TCP's number of each. Both programs are attached while somebody
 * needs them, and copy of sockets alone that had such a gap, or whose server had one. Typed loads only, here too.
 */
#ifndef OVERHEAR_PACKETS_H
#define OVERHEAR_PACKETS_H

#include "allow.h"
#include "counted.h"
#include "identity.h"

/* Of one packet, at most: perf events have a length of 16 bits. */
#define MOST_OF_PACKET 65456
/* Of one direction, until the other end says something or a second is over: a message's head and what is kept of a body. */
#define PACKETS_ROOM (256 << 10)
#define PACKETS_ROOM_TIME 1000000000ULL
/* So many calls in a row with a buffer, and packets are copied no more: what most of a server's answers say is heard once. */
#define NEEDLESS 16

/* Nanoseconds after its last gap in which a server's new sockets have their packets copied from the first one on. */
#define SERVER_TIME 30000000000ULL

/* A server by the port it listens at, a client by its process. */
struct server {
	__u32 netns; /* or thread group */
	__u32 port;  /* 0: a client */
};

/* When each way had its last gap, CLOCK_MONOTONIC. */
struct last_gap {
	__u64 at[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 10);
	__type(key, struct server);
	__type(value, struct last_gap);
} by_packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} packets SEC(".maps");

static __always_inline bool server_of(struct sock *sk, struct socket_state *state, struct server *server)
{
	bool listens = state->role == ROLE_SERVER;
	__u32 netns = sk->__sk_common.skc_net.net->ns.inum, connector = state->connector;
	/* One load for both the verifier refuses. */
	asm volatile("" : "+r"(netns), "+r"(connector));
	server->port = listens ? sk->__sk_common.skc_num : 0;
	server->netns = listens ? netns : connector;
	return server->port || server->netns;
}

static __always_inline void remember_gap(struct sock *sk, struct socket_state *state, __u8 way)
{
	struct server server = {};
	struct last_gap first = {};
	if (!server_of(sk, state, &server))
		return;
	first.at[way] = bpf_ktime_get_ns();
	struct last_gap *last = bpf_map_lookup_elem(&by_packets, &server);
	if (last)
		last->at[way] = first.at[way];
	else
		bpf_map_update_elem(&by_packets, &server, &first, BPF_ANY);
}

/* From now on packets of this direction are copied, and user space knows what their numbers mean. */
static __always_inline void begin_packets(struct sock *sk, struct socket_state *state, __u64 cookie, __u8 way)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return; /* the next gap tries again */
	fill(record, RECORD_BY_PACKETS, cookie);
	record->way = way;
	record->offset = state->moved[way];
	record->size = state->first[way] + (__u32)state->moved[way];
	submit(record);
	state->cookie = cookie;
	state->header = tcp->tcp_header_len;
	state->packets[way] = PACKETS_COPIED;
}

/* A socket is announced: its server may be known for this. */
static __always_inline void packets_of_server(struct sock *sk, struct socket_state *state, struct settings *set,
					      __u64 cookie)
{
	struct server server = {};
	if (!(set->flags & HEAR_PACKETS) || !server_of(sk, state, &server))
		return;
	struct last_gap *last = bpf_map_lookup_elem(&by_packets, &server);
	if (!last)
		return;
	__u64 now = bpf_ktime_get_ns();
	if (state->counted[WAY_SENT] && now - last->at[WAY_SENT] < SERVER_TIME)
		begin_packets(sk, state, cookie, WAY_SENT);
	if (state->counted[WAY_RECEIVED] && now - last->at[WAY_RECEIVED] < SERVER_TIME)
		begin_packets(sk, state, cookie, WAY_RECEIVED);
}

/*
 * Says once whose the socket is, and whether its packets are copied. Not inlined: the verifier then goes on from one state,
 * not from each way through it, which halves the time to attach.
 */
static __noinline bool introduce(struct sock *sk, struct socket_state *state, struct settings *set, __u64 cookie,
				      bool owner_runs)
{
	if (state->announced)
		return true;
	if (!announce(sk, state, set, cookie, owner_runs))
		return false;
	packets_of_server(sk, state, set, cookie);
	return true;
}

/* Are the direction's first `end` bytes all that TCP has counted? Else its numbers are not those of our offsets. */
static __always_inline bool numbers_agree(struct sock *sk, struct socket_state *state, __u8 way, __u64 end)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || tcp->inet_conn.icsk_ulp_ops || !state->counted[way])
		return false;
	__u32 at = way == WAY_SENT ? tcp->write_seq : tcp->copied_seq - end_was_read(sk, tcp);
	return at - state->first[way] == (__u32)end;
}

static __always_inline bool packets_are_copied(struct socket_state *state, __u8 way)
{
	return state->packets[way] == PACKETS_COPIED;
}

/* The call's bytes were in its buffer. Not inlined for the same reason. */
static __noinline void without_packets(struct socket_state *state, __u8 way)
{
	if (packets_are_copied(state, way) && ++state->needless[way] >= NEEDLESS)
		state->packets[way] = PACKETS_LEFT;
}

/* A gap, up to `end`, may come by packets: where TCP's numbers are known. */
static __always_inline bool may_come_by_packets(struct sock *sk, struct socket_state *state, struct settings *set,
						__u8 way, __u64 end)
{
	if (!(set->flags & HEAR_PACKETS) || state->packets[way] == PACKETS_NEVER || !sk->sk_use_task_frag)
		return false;
	if (numbers_agree(sk, state, way, end))
		return true;
	if (packets_are_copied(state, way))
		state->packets[way] = PACKETS_NEVER;
	return false;
}

/* Its bytes do: they were copied, or are going to be. `copied`: packets were, when the call was yet to be looked at. */
static __always_inline bool comes_by_packets(struct socket_state *state, struct settings *set, __u8 way, bool copied)
{
	return copied && set->flags & PACKETS_ATTACHED && state->room[way] < PACKETS_ROOM;
}

/* After a gap that may: the next one shall. */
static __always_inline void want_packets(struct sock *sk, struct socket_state *state, struct settings *set, __u64 cookie,
					 __u8 way)
{
	state->needless[way] = 0;
	remember_gap(sk, state, way);
	if (!packets_are_copied(state, way) || !(set->flags & PACKETS_ATTACHED))
		begin_packets(sk, state, cookie, way);
}

/* --- packets themselves, in whoever's thread ------------------------------------------------------------------ */

/* Bytes of payload to copy; 0 where it is not worth it. */
static __always_inline __u32 packet_allowance(struct socket_state *state, struct settings *set, __u64 cookie, __u8 way,
					      __u32 payload)
{
	__u8 verdict = verdict_of(&state->verdict, &state->epoch, set, cookie), over;
	__u64 now = bpf_ktime_get_ns();

	if (verdict != VERDICT_ASK && verdict != VERDICT_FULL && verdict != VERDICT_HEAD)
		return 0;
	if (now - state->room_since[way] > PACKETS_ROOM_TIME) {
		state->room_since[way] = now;
		state->room[way] = 0;
	}
	if (state->room[way] >= PACKETS_ROOM)
		return 0;
	__u32 allowed = allowance(&state->copied[way], set, verdict, payload, &over);
	state->room[way] += allowed;
	return allowed;
}

static __always_inline int on_packet(struct sock *sk, struct sk_buff *skb, __u8 way)
{
	struct socket_state *state = sk ? bpf_sk_storage_get(&sockets, sk, NULL, 0) : NULL;
	if (!state || !packets_are_copied(state, way))
		return 0;
	struct settings *set = get_settings();
	if (!set)
		return 0;
	__u32 before = skb->head + skb->transport_header - skb->data;
	__u32 length = skb->len, header = state->header;
	if (before > 256 || length <= before + header)
		return 0; /* nothing but an acknowledgement */
	__u64 cookie = state->cookie;
	__u32 allowed = packet_allowance(state, set, cookie, way, length - before - header);
	if (!allowed)
		return 0;
	__u32 copied = before + header + allowed;
	if (copied > MOST_OF_PACKET)
		copied = MOST_OF_PACKET;
	struct record record;
	fill(&record, RECORD_PACKET, cookie);
	record.tgid = record.tid = 0;
	record.way = way;
	record.offset = before;
	record.size = length;
	record.length = copied;
	bpf_skb_output(skb, &packets, BPF_F_CURRENT_CPU | (__u64)copied << 32, &record, sizeof(record));
	return 0;
}

#endif
