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

/* Whose packets are copied from their first one on: a server by the port it listens at, a client by its process. */
struct server {
	__u32 netns; /* or thread group */
	__u16 port;  /* 0: a client */
	__u16 way;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 10);
	__type(key, struct server);
	__type(value, __u8);
} by_packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} packets SEC(".maps");

static __always_inline bool server_of(struct sock *sk, struct socket_state *state, __u8 way, struct server *server)
{
	bool listens = state->role == ROLE_SERVER;
	__u32 netns = sk->__sk_common.skc_net.net->ns.inum, connector = state->connector;
	/* One load for both the verifier refuses. */
	asm volatile("" : "+r"(netns), "+r"(connector));
	server->way = way;
	server->port = listens ? sk->__sk_common.skc_num : 0;
	server->netns = listens ? netns : connector;
	return server->port || server->netns;
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
	if (!(set->flags & HEAR_PACKETS))
		return;
	for (__u8 way = WAY_SENT; way <= WAY_RECEIVED; way++) {
		if (state->counted[way] && state->packets[way] == PACKETS_LEFT && server_of(sk, state, way, &server) &&
		    bpf_map_lookup_elem(&by_packets, &server))
			begin_packets(sk, state, cookie, way);
	}
}

/* Says once whose the socket is, and whether its packets are copied. */
static __always_inline bool introduce(struct sock *sk, struct socket_state *state, struct settings *set, __u64 cookie,
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

static __always_inline void remember_server(struct sock *sk, struct socket_state *state, __u8 way)
{
	struct server server = {};
	__u8 one = 1;
	if (server_of(sk, state, way, &server))
		bpf_map_update_elem(&by_packets, &server, &one, BPF_ANY);
}

/*
 * The bytes of this gap, up to `end`, were copied from packets, or are going to be. `copied`: packets were, when the call
 * was yet to be looked at.
 */
static __always_inline bool comes_by_packets(struct sock *sk, struct socket_state *state, struct settings *set, __u8 way,
					     bool copied, __u64 end)
{
	if (!copied || !(set->flags & PACKETS_ATTACHED))
		return false;
	if (!numbers_agree(sk, state, way, end)) {
		state->packets[way] = PACKETS_NEVER;
		return false;
	}
	state->needless[way] = 0;
	remember_server(sk, state, way);
	return state->room[way] < PACKETS_ROOM;
}

static __always_inline bool packets_are_copied(struct socket_state *state, __u8 way)
{
	return state->packets[way] == PACKETS_COPIED;
}

/* The call's bytes were in its buffer. */
static __always_inline void without_packets(struct sock *sk, struct socket_state *state, __u8 way)
{
	struct server server = {};
	if (!packets_are_copied(state, way) || ++state->needless[way] < NEEDLESS)
		return;
	state->needless[way] = 0;
	state->packets[way] = PACKETS_LEFT;
	if (server_of(sk, state, way, &server))
		bpf_map_delete_elem(&by_packets, &server);
}

/* After a gap whose bytes do not come: those of the next one shall. */
static __always_inline void want_packets(struct sock *sk, struct socket_state *state, struct settings *set, __u64 cookie,
					 __u8 way, __u64 end)
{
	if (!(set->flags & HEAR_PACKETS) || state->packets[way] == PACKETS_NEVER)
		return;
	if (packets_are_copied(state, way) && set->flags & PACKETS_ATTACHED)
		return;
	if (!sk->sk_use_task_frag || !numbers_agree(sk, state, way, end))
		return;
	remember_server(sk, state, way);
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
