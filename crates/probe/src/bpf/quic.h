/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * QUIC: which UDP sockets speak it, how much moves on them, and the packets that say who begins to talk to whom.
 *
 * A datagram costs a count and no record: user space looks at `datagrams` when it wants to know. Told are the packets
 * that begin a connection, which anybody can read (RFC 9001 §5.2), and the first datagram to each peer.
 */
#ifndef OVERHEAR_QUIC_H
#define OVERHEAR_QUIC_H

#include "identity.h"
#include "locate.h"

/* Port of HTTP/3 (RFC 9114 §3.1). */
#define HTTP_3 443
/* Datagrams that are no QUIC before a socket is left alone for good. */
#define LOOKS 4
/* A short header, a packet number and a tag (RFC 9000 §17.3.1, RFC 9001 §5.4.2). */
#define SHORTEST 21
#define VERSION_1 1
#define VERSION_2 0x6b3343cf
/* Records of one socket in about a second: whoever is sent more of them is not greeted but flooded. */
#define MOST_TOLD 4096
/* As much of a datagram that opens no connection as has its connection ids (RFC 9000 §17.2). */
#define HEAD 64

enum packet {
	PACKET_OTHER, /* no QUIC */
	PACKET_SHORT, /* perhaps: one bit says so */
	PACKET_LONG,  /* of a version that is known */
	PACKET_OPENS, /* the same, Initial or Retry */
};

enum speaks { SPEAKS_UNKNOWN = 0, SPEAKS_QUIC = 1, SPEAKS_OTHER = 2 };

/* What a UDP socket has been through. Lives and dies with the socket. */
struct udp_state {
	__u64 cookie;
	__u64 second; /* about: in which `told` records were told */
	__u32 told;
	__u8 speaks;
	__u8 looks;  /* datagrams that were no QUIC */
	__u8 before; /* what may have been QUIC was seen before anything that opens a connection */
	__u8 owned;  /* its process is in `speakers` */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct udp_state);
} udp_sockets SEC(".maps");

/* Apart from the sockets, because they end without a sign: what they moved last can still be asked for then. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct datagram_key);
	__type(value, struct datagram_count);
} datagrams SEC(".maps");

/* A datagram that is told. */
struct told {
	struct datagram_key key;
	__u64 base;
	__u32 size;
	__u32 length;
	__u8 way;
};

/* Of a constant size and global, as the pieces of copy.h are. */
#define EMIT_DATAGRAM(SIZE)                                                                                           \
	__noinline int emit_datagram_##SIZE(struct told *told)                                                        \
	{                                                                                                             \
		struct piece {                                                                                        \
			struct datagram_record head;                                                                  \
			__u8 payload[SIZE];                                                                           \
		} *record;                                                                                            \
		if (!told)                                                                                            \
			return LOSS_FAULT;                                                                            \
		record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);                                           \
		if (!record)                                                                                          \
			return LOSS_RING_FULL;                                                                        \
		__u32 n = told->length;                                                                               \
		fill(&record->head.head, RECORD_DATAGRAM, told->key.socket);                                          \
		record->head.head.size = told->size;                                                                  \
		record->head.head.way = told->way;                                                                    \
		record->head.peer = told->key.peer;                                                                   \
		asm volatile("" : "+r"(n));                                                                           \
		if (n > SIZE)                                                                                         \
			n = SIZE;                                                                                     \
		record->head.head.length = n;                                                                         \
		if (bpf_probe_read_user(record->payload, n, (void *)told->base)) {                                    \
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                                                \
			return LOSS_FAULT;                                                                            \
		}                                                                                                     \
		submit(&record->head.head);                                                                           \
		return LOSS_NONE;                                                                                     \
	}

EMIT_DATAGRAM(64)
EMIT_DATAGRAM(1536)
/* Several at once (UDP_SEGMENT, UDP_GRO): a client's first message may need two. */
EMIT_DATAGRAM(4096)

__noinline int tell_datagram(struct udp_state *state, struct told *told, __u8 packet, __u64 now)
{
	__u64 second = now >> 30;
	if (!state || !told)
		return 0;
	if (state->second != second) {
		state->second = second;
		state->told = 0;
	}
	if (state->told++ >= MOST_TOLD) {
		lose(LOSS_SHED, told->size);
		return 0;
	}
	int failed;
	if (packet != PACKET_OPENS && told->length > HEAD)
		told->length = HEAD;
	if (told->length <= HEAD)
		failed = emit_datagram_64(told);
	else if (told->length <= 1536)
		failed = emit_datagram_1536(told);
	else
		failed = emit_datagram_4096(told);
	if (failed)
		lose(failed, told->size);
	return 0;
}

static __always_inline bool announce_quic(struct sock *sk, struct udp_state *state)
{
	struct open_record *open = bpf_ringbuf_reserve(&records, sizeof(*open), 0);
	if (!open)
		return false;
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	describe(open, RECORD_QUIC, sk, state->cookie, ROLE_UNKNOWN);
	open->head.size = !state->before;
	__builtin_memcpy(open->comm, leader->comm, sizeof(open->comm));
	submit(&open->head);
	return true;
}

static __always_inline __u8 packet_of(const __u8 *start)
{
	__u32 version = start[1] << 24 | start[2] << 16 | start[3] << 8 | start[4];
	__u8 type = start[0] >> 4 & 3;

	if (!(start[0] & 0x40))
		return PACKET_OTHER;
	if (!(start[0] & 0x80))
		return PACKET_SHORT;
	if (version == VERSION_1)
		return type == 0 || type == 3 ? PACKET_OPENS : PACKET_LONG;
	if (version == VERSION_2)
		return type < 2 ? PACKET_OPENS : PACKET_LONG;
	return PACKET_OTHER;
}

/*
 * Whether it speaks QUIC, as this datagram has it. This and what follows is global, as the pieces of copy.h are: the
 * verifier looks at each once.
 */
__noinline int speaks_quic(struct udp_state *state, __u8 packet, __u16 remote, __u16 local)
{
	if (!state)
		return false;
	bool at_its_port = remote == bpf_htons(HTTP_3) || local == bpf_htons(HTTP_3);

	if (packet == PACKET_SHORT)
		state->before = 1;
	if (packet >= PACKET_LONG || (packet == PACKET_SHORT && at_its_port)) {
		state->speaks = SPEAKS_QUIC;
		return true;
	}
	/* A server's socket that was there before us may be greeted late. */
	if (packet == PACKET_SHORT && !remote)
		return false;
	if (++state->looks >= LOOKS)
		state->speaks = SPEAKS_OTHER;
	return false;
}

__noinline int read_peer(__u64 name, struct peer *peer)
{
	struct {
		__u16 family;
		__u16 port;
		__u32 four;    /* the address, or the flow label */
		__u8 six[16];
	} read = {};

	if (!peer || bpf_probe_read_user(&read, 8, (void *)name))
		return 0;
	if (read.family == AF_INET) {
		__builtin_memcpy(peer->address, &read.four, sizeof(read.four));
	} else if (read.family != AF_INET6 || bpf_probe_read_user(peer->address, 16, (void *)(name + 8))) {
		return 0;
	}
	peer->family = read.family;
	peer->port = read.port;
	return 0;
}

/* Where the first of the bytes are, and what they say: what opens a connection is in one vector, as far as is known. */
__noinline int look_at_first(struct copy *copy, struct told *told)
{
	struct iovec vector;
	__u8 start[8] = {};

	if (!copy || !told)
		return PACKET_OTHER;
	told->base = copy->base;
	told->length = told->size;
	if (copy->vectors) {
		told->length = 0;
		if (bpf_probe_read_user(&vector, sizeof(vector), (void *)copy->vector))
			return PACKET_OTHER;
		told->base = (__u64)vector.iov_base;
		told->length = vector.iov_len < told->size ? vector.iov_len : told->size;
	}
	if (told->length < SHORTEST || bpf_probe_read_user(start, sizeof(start), (void *)told->base))
		return PACKET_OTHER;
	return packet_of(start);
}

/* Says whether it is a new entry; a failure is one that could not be told of, and is not counted. */
static __always_inline int count_datagram(struct sock *sk, struct udp_state *state, struct told *told, __u64 now)
{
	struct datagram_count new = { .last = now };
	struct datagram_count *count = bpf_map_lookup_elem(&datagrams, &told->key);

	if (!count) {
		if (!announce_quic(sk, state)) {
			lose(LOSS_RING_FULL, told->size);
			return -1;
		}
		if (told->way == WAY_SENT)
			new.moved[WAY_SENT] = told->size;
		else
			new.moved[WAY_RECEIVED] = told->size;
		if (!bpf_map_update_elem(&datagrams, &told->key, &new, BPF_NOEXIST))
			return 1;
		/* Another thread was first. */
		count = bpf_map_lookup_elem(&datagrams, &told->key);
		if (!count)
			return -1;
	}
	__u64 *moved = told->way == WAY_SENT ? &count->moved[WAY_SENT] : &count->moved[WAY_RECEIVED];
	__sync_fetch_and_add(moved, told->size);
	count->last = now;
	return 0;
}

/* Nothing moved; of a call of several messages it may be one, or the end of it. */
static __always_inline void on_nothing(struct task_struct *task, __u64 cookie, __u8 way, int ret)
{
	if (ret < 0)
		forget_messages(task);
	else
		asked_for_something(task, cookie, way);
}

static __noinline int on_datagram(struct sock *sk, int ret, int flags, __u8 way, struct settings *set)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u16 remote = sk->__sk_common.skc_dport, local = bpf_htons(sk->__sk_common.skc_num);
	bool here = port_wanted(sk, set);

	if (way == WAY_RECEIVED && flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	/* Whom it talks to that has no peer of its own is known when it sends. */
	if ((!here && remote) || !process_wanted(task->tgid, set) || !inode_of(sk))
		return 0;
	struct udp_state *state = bpf_sk_storage_get(&udp_sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state || state->speaks == SPEAKS_OTHER)
		return 0;
	if (!here && way == WAY_RECEIVED && state->speaks != SPEAKS_QUIC)
		return 0;
	if (!state->cookie)
		state->cookie = bpf_get_socket_cookie(sk);
	if (ret <= 0) {
		on_nothing(task, state->cookie, way, ret);
		return 0;
	}
	struct told told = { .key.socket = state->cookie, .size = ret, .way = way };
	struct copy copy = { .socket = state->cookie, .way = way, .left = ret };
	__u8 packet = PACKET_OTHER;
	if (!locate(task, sk, set, ret, &copy)) {
		packet = look_at_first(&copy, &told);
		if (way == WAY_SENT && copy.name && !remote)
			read_peer(copy.name, &told.key.peer);
	}
	if (!here && way == WAY_SENT && !one_wanted(told.key.peer.port, 0, set))
		packet = PACKET_OTHER;
	if (state->speaks == SPEAKS_UNKNOWN &&
	    !speaks_quic(state, packet, remote ? remote : told.key.peer.port, local))
		return 0;
	if (!here && way == WAY_SENT && !one_wanted(told.key.peer.port, 0, set))
		return 0;
	if (!state->owned)
		state->owned = speaks(task->tgid);
	count_heard(ret);
	__u64 now = bpf_ktime_get_ns();
	int new = count_datagram(sk, state, &told, now);
	if (new >= 0 && told.length && (packet == PACKET_OPENS || (new && told.key.peer.family)))
		tell_datagram(state, &told, packet, now);
	return 0;
}

#endif
