// SPDX-License-Identifier: Dual MIT/GPL
/*
 * Hears every stream socket of the machine through two tracepoints that fire in the calling thread after each send
 * and receive, and on nothing else. Kernel 6.3 and later. No bpf_probe_read_kernel: typed loads only, so that it also
 * runs under lockdown=confidentiality.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "record.h"
#include "syscall.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* What a socket has been through. Lives and dies with the socket. */
struct socket_state {
	__u64 moved[2];  /* bytes per enum way, since first seen */
	__u32 copied[2]; /* of those copied while undecided */
	__u32 epoch;
	__u8 verdict;
	__u8 announced;
	__u8 role;
	__u8 owned;      /* its process is in `speakers` */
	__u32 connector; /* thread group that called connect; 0 = another way */
	char comm[16];   /* of its leader */
};

/* Where a thread is within one sendmmsg or recvmmsg. */
struct messages_state {
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

/* --- the ring ------------------------------------------------------------------------------------------------ */

/*
 * Nobody is woken per record; the reader polls. Now and then, by the clock's lower bits, a look at how much waits: above
 * the high-water mark the reader is woken, should it be asleep.
 */
static __always_inline void submit(struct record *record)
{
	__u64 flags = BPF_RB_NO_WAKEUP;
	if ((record->time >> 8) % 16 == 0) {
		struct settings *set = get_settings();
		if (set && bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > set->high_water)
			flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(record, flags);
}

static __always_inline void fill(struct record *record, __u8 kind, __u64 socket)
{
	__u64 id = bpf_get_current_pid_tgid();
	record->time = bpf_ktime_get_ns();
	record->socket = socket;
	record->offset = 0;
	record->size = 0;
	record->length = 0;
	record->tgid = id >> 32;
	record->tid = (__u32)id;
	record->kind = kind;
	record->way = 0;
	record->loss = LOSS_NONE;
	record->reserved = 0;
	record->syscall = 0;
}

/* A record of its head alone. */
static __always_inline bool emit_plain(struct settings *set, __u8 kind, __u64 socket, __u8 way, __u32 size)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		lose(LOSS_RING_FULL, 0);
		return false;
	}
	fill(record, kind, socket);
	record->way = way;
	record->size = size;
	submit(record);
	return true;
}

/* --- who is talking ------------------------------------------------------------------------------------------ */

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

static __always_inline bool port_wanted(struct sock *sk, struct settings *set)
{
	if (!(set->flags & FILTER_PORTS))
		return true;
	if (sk->__sk_common.skc_family == AF_UNIX)
		return false;
	__u16 remote = sk->__sk_common.skc_dport;
	__u16 local = bpf_htons(sk->__sk_common.skc_num);
	for (int i = 0; i < MAX_PORTS; i++) {
		if (i >= set->port_count)
			break;
		if (set->ports[i] == remote || set->ports[i] == local)
			return true;
	}
	return false;
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
	__u16 family = sk->__sk_common.skc_family;
	fill(&open->head, RECORD_OPEN, cookie);
	__builtin_memset((char *)open + sizeof(open->head), 0, sizeof(*open) - sizeof(open->head));
	open->inode = inode_of(sk);
	open->family = family;
	open->role = state->role;
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

/* --- what user space thinks of the socket -------------------------------------------------------------------- */

static __always_inline __u8 verdict_of(struct socket_state *state, struct settings *set, __u64 cookie)
{
	if (state->verdict != VERDICT_ASK && state->epoch == set->epoch)
		return state->verdict;
	__u8 *found = bpf_map_lookup_elem(&verdicts, &cookie);
	if (found)
		state->verdict = *found;
	state->epoch = set->epoch;
	return state->verdict;
}

/* --- copying ------------------------------------------------------------------------------------------------- */

struct copy {
	__u64 socket;
	__u64 offset;  /* of the next byte, in the stream */
	__u64 base;    /* of the next byte, in user memory */
	__u64 vector;  /* the next iovec */
	__u32 vectors; /* how many are left */
	__u32 piece;   /* bytes left at base */
	__u32 left;    /* bytes still to copy */
	__u32 number;
	__u8 way;
	__u8 loss; /* why copying stopped early */
};

/* The biggest piece one record carries; a step takes at most this much. */
#define PIECE 16384
/* Enough for 1 MiB in full pieces, or for as many iovecs as one call takes in practice. */
#define STEPS 128

/*
 * The ring wants a constant size to reserve, so pieces go by size class. Global functions, not static ones: the
 * verifier then looks at each once instead of once per way to reach it, which halves the time to attach.
 */
#define EMIT_CLASS(SIZE)                                                                                              \
	__noinline int emit_##SIZE(struct copy *copy, __u32 n)                                                        \
	{                                                                                                             \
		struct piece {                                                                                        \
			struct record head;                                                                           \
			__u8 payload[SIZE];                                                                           \
		} *record;                                                                                            \
		if (!copy)                                                                                            \
			return LOSS_FAULT;                                                                            \
		record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);                                           \
		if (!record)                                                                                          \
			return LOSS_RING_FULL;                                                                        \
		fill(&record->head, RECORD_DATA, copy->socket);                                                       \
		record->head.offset = copy->offset;                                                                   \
		record->head.size = n;                                                                                \
		record->head.length = n;                                                                              \
		record->head.way = copy->way;                                                                         \
		record->head.syscall = copy->number;                                                                  \
		asm volatile("" : "+r"(n));                                                                           \
		if (n > SIZE)                                                                                         \
			n = SIZE;                                                                                     \
		if (bpf_probe_read_user(record->payload, n, (void *)copy->base)) {                                    \
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                                                \
			return LOSS_FAULT;                                                                            \
		}                                                                                                     \
		submit(&record->head);                                                                     \
		return LOSS_NONE;                                                                                     \
	}

EMIT_CLASS(192)
EMIT_CLASS(512)
EMIT_CLASS(1536)
EMIT_CLASS(4096)
EMIT_CLASS(16384)

/* Bounds of a head and a small body that go into one record. */
#define PAIR_FIRST 512
#define PAIR_SECOND 1536

/*
 * The shape in which most servers answer, a head and a body in two vectors, as one record. Says whether it was that
 * shape and was emitted; if not, nothing happened.
 */
__noinline int emit_pair(struct copy *copy)
{
	struct pair {
		struct record head;
		__u8 payload[PAIR_FIRST + PAIR_SECOND];
	};
	struct iovec vectors[2];

	if (!copy || bpf_probe_read_user(vectors, sizeof(vectors), (void *)copy->vector))
		return 0;
	__u64 first = vectors[0].iov_len, second = vectors[1].iov_len;
	if (first == 0 || first > PAIR_FIRST || second == 0 || second > PAIR_SECOND || first + second != copy->left)
		return 0;
	struct pair *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return 0;
	fill(&record->head, RECORD_DATA, copy->socket);
	record->head.offset = copy->offset;
	record->head.size = record->head.length = first + second;
	record->head.way = copy->way;
	record->head.syscall = copy->number;
	asm volatile("" : "+r"(first), "+r"(second));
	if (first > PAIR_FIRST || second > PAIR_SECOND)
		goto discard; /* told once more, for the verifier */
	if (bpf_probe_read_user(record->payload, first, vectors[0].iov_base))
		goto discard;
	if (bpf_probe_read_user(record->payload + first, second, vectors[1].iov_base))
		goto discard;
	submit(&record->head);
	copy->offset += copy->left;
	copy->left = 0;
	return 1;
discard:
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline int emit_piece(struct copy *copy, __u32 n)
{
	if (n <= 192)
		return emit_192(copy, n);
	if (n <= 512)
		return emit_512(copy, n);
	if (n <= 1536)
		return emit_1536(copy, n);
	if (n <= 4096)
		return emit_4096(copy, n);
	return emit_16384(copy, n);
}

static long copy_step(__u32 index, void *context)
{
	struct copy *copy = context;
	if (!copy->piece) {
		struct iovec vector;
		if (!copy->vectors)
			return 1;
		if (bpf_probe_read_user(&vector, sizeof(vector), (void *)copy->vector)) {
			copy->loss = LOSS_FAULT;
			return 1;
		}
		copy->vector += sizeof(vector);
		copy->vectors--;
		copy->base = (__u64)vector.iov_base;
		copy->piece = vector.iov_len < copy->left ? vector.iov_len : copy->left;
		if (!copy->piece)
			return 0;
	}
	__u32 n = copy->piece < PIECE ? copy->piece : PIECE;
	int failed = emit_piece(copy, n);
	if (failed) {
		copy->loss = failed;
		return 1;
	}
	copy->offset += n;
	copy->base += n;
	copy->piece -= n;
	copy->left -= n;
	return copy->left == 0;
}

static __always_inline void copy_all(struct copy *copy)
{
	if (!copy->vectors && copy->piece <= PIECE) {
		copy_step(0, copy);
		return;
	}
	if (copy->vectors == 2 && emit_pair(copy))
		return;
	bpf_loop(STEPS, copy_step, copy, 0);
}

/* From here on nobody can say which message is which, until the thread calls from elsewhere or differently. */
#define UNKNOWN_MESSAGE 0xffffffff

/* Which message of a sendmmsg or recvmmsg this event is about: they fire once for each. */
static __always_inline long message_index(struct task_struct *task, struct call *call, __u32 *index)
{
	struct messages_state *at = bpf_task_storage_get(&messages, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!at)
		return -1;
	if (at->buffer != call->buffer || at->stack != call->stack || at->count != call->count ||
	    at->number != call->number || (at->next >= call->count && at->next != UNKNOWN_MESSAGE)) {
		at->buffer = call->buffer;
		at->stack = call->stack;
		at->count = call->count;
		at->number = call->number;
		at->next = 0;
	}
	if (at->next == UNKNOWN_MESSAGE)
		return -1;
	*index = at->next++;
	return 0;
}

/* The call ends here, or may have: the next event of this thread belongs to a new one. */
static __always_inline void forget_messages(struct task_struct *task)
{
	struct messages_state *at = bpf_task_storage_get(&messages, task, NULL, 0);
	if (at)
		at->count = 0;
}

/* Vectors of one message that are added up. */
#define COUNTED_VECTORS 4

/* A message that was sent in part ends its sendmmsg, without another sign; the next event is of a new call. */
static __always_inline int check_whole(struct task_struct *task, struct copy *copy, __u32 size)
{
	struct iovec vectors[COUNTED_VECTORS] = {};
	__u32 count = copy->vectors;
	__u64 total = 0;

	if (count > COUNTED_VECTORS) {
		struct messages_state *at = bpf_task_storage_get(&messages, task, NULL, 0);
		if (at)
			at->next = UNKNOWN_MESSAGE;
		return LOSS_GUARDED;
	}
	if (bpf_probe_read_user(vectors, count * sizeof(vectors[0]), (void *)copy->vector))
		return LOSS_FAULT;
	for (int i = 0; i < COUNTED_VECTORS; i++)
		total += vectors[i].iov_len;
	if (size < total)
		forget_messages(task);
	return LOSS_NONE;
}

static __always_inline int locate_message(struct copy *copy, __u64 header)
{
	struct user_msghdr message;
	if (bpf_probe_read_user(&message, sizeof(message), (void *)header))
		return LOSS_FAULT;
	copy->vector = (__u64)message.msg_iov;
	copy->vectors = message.msg_iovlen < 1024 ? message.msg_iovlen : 1024;
	return LOSS_NONE;
}

/*
 * Finds the user buffer, behind every guard there is: the tracepoint says that bytes moved, the registers say what the
 * thread asked for, and nothing but these checks says that the two belong together. An io_uring receive that completes
 * while the thread sits in read(pipe) would else pass the pipe's buffer off as the socket's.
 */
static __always_inline int locate(struct task_struct *task, struct sock *sk, __u32 size, struct copy *copy)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct call call = {};

	call_arguments(&call, regs);
	call_shape(&call);
	copy->number = call.number;
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return LOSS_NO_BUFFER;
	if (call.shape == SHAPE_NONE)
		return LOSS_NO_BUFFER;
	if (!call.entered || call.way != copy->way || compat_call(task))
		return LOSS_GUARDED;

	copy->vectors = 0;
	copy->piece = 0;
	if (call.shape == SHAPE_BUFFER) {
		if (size > call.count)
			return LOSS_GUARDED;
		copy->base = call.buffer;
		copy->piece = copy->left;
		return LOSS_NONE;
	}
	if (call.shape == SHAPE_IOVEC) {
		copy->vector = call.buffer;
		copy->vectors = call.count < 1024 ? call.count : 1024;
		return LOSS_NONE;
	}
	if (call.shape == SHAPE_MESSAGE)
		return locate_message(copy, call.buffer);
	/* A recvmmsg that may time out can end without a sign; where the next one begins is then unknown. */
	__u32 index;
	if (call.way == WAY_RECEIVED && call.timeout)
		return LOSS_GUARDED;
	if (message_index(task, &call, &index))
		return LOSS_GUARDED;
	int failed = locate_message(copy, call.buffer + (__u64)index * sizeof(struct mmsghdr));
	if (failed || call.way == WAY_RECEIVED)
		return failed;
	return check_whole(task, copy, size);
}

static __always_inline void emit_gap(struct copy *copy, __u32 bytes, __u8 reason)
{
	lose(reason, bytes);
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return; /* the jump of the offsets tells */
	fill(record, RECORD_DATA, copy->socket);
	record->offset = copy->offset;
	record->size = bytes;
	record->way = copy->way;
	record->loss = reason;
	record->syscall = copy->number;
	submit(record);
}

static __always_inline __u32 allowance(struct socket_state *state, struct settings *set, __u8 verdict, __u8 way,
				       __u32 size, __u8 *reason)
{
	__u32 cap = set->cap;
	*reason = LOSS_OVER_CAP;
	if (verdict == VERDICT_ASK) {
		__u32 copied = state->copied[way];
		__u32 left = copied < set->undecided ? set->undecided - copied : 0;
		/* Heads go on being copied: the next call may begin the next message. */
		if (left < set->head)
			left = set->head;
		if (left < cap) {
			cap = left;
			*reason = LOSS_UNDECIDED;
		}
	} else if (verdict == VERDICT_HEAD) {
		cap = set->head;
	}
	/* Below twice a head there is little to shed, and the look costs more. */
	if (cap > set->head && size > 2 * set->head &&
	    bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > set->shed_water) {
		cap = set->head;
		*reason = LOSS_SHED;
	}
	__u32 allowed = size < cap ? size : cap;
	if (verdict == VERDICT_ASK)
		state->copied[way] += allowed;
	return allowed;
}

static __always_inline void failed(struct settings *set, struct socket_state *state, __u64 cookie, __u8 way, int error)
{
	if (error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ECONNABORTED)
		emit_plain(set, RECORD_ERROR, cookie, way, error);
}

static __always_inline __u8 speaks(__u32 tgid)
{
	__u8 one = 1;
	bpf_map_update_elem(&speakers, &tgid, &one, BPF_ANY);
	return 1;
}

static __always_inline int on_moved(struct sock *sk, int ret, int flags, __u8 way)
{
	struct settings *set = get_settings();
	if (!set || (!is_tcp(sk) && !is_unix_stream(sk)) || !port_wanted(sk, set))
		return 0;
	if (way == WAY_RECEIVED && flags & MSG_PEEK)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	if (!process_wanted(task->tgid, set))
		return 0;
	if (ret < 0)
		forget_messages(task);
	/* The kernel's own sockets (NFS, network block devices): no program's API. */
	if (!inode_of(sk))
		return 0;
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return 0;
	__u64 cookie = bpf_get_socket_cookie(sk);
	__u8 verdict = verdict_of(state, set, cookie);
	if (verdict == VERDICT_IGNORE)
		return 0;

	__u32 zero = 0;
	struct heard_count *count = bpf_map_lookup_elem(&heard, &zero);
	if (count) {
		count->events++;
		if (ret > 0)
			count->bytes += ret;
	}
	if (ret < 0) {
		if (state->announced)
			failed(set, state, cookie, way, -ret);
		return 0;
	}
	bool announced = announce(sk, state, set, cookie, !(task->flags & PF_KTHREAD));
	if (!state->owned)
		state->owned = speaks(task->tgid);
	if (ret == 0) {
		/* Nothing received is the end of the stream; nothing sent is nothing. */
		if (way == WAY_RECEIVED && announced)
			emit_plain(set, RECORD_END, cookie, way, 0);
		return 0;
	}

	__u32 size = ret;
	__u8 over;
	struct copy copy = {
		.socket = cookie,
		.offset = __sync_fetch_and_add(&state->moved[way], size),
		.way = way,
	};
	if (!announced) {
		lose(LOSS_RING_FULL, size);
		return 0;
	}
	copy.left = allowance(state, set, verdict, way, size, &over);
	__u64 end = copy.offset + size;
	copy.loss = locate(task, sk, size, &copy);
	if (!copy.loss) {
		if (copy.left)
			copy_all(&copy);
		if (copy.offset == end)
			return 0;
		if (!copy.loss)
			copy.loss = copy.left ? LOSS_GUARDED : over;
	}
	emit_gap(&copy, end - copy.offset, copy.loss);
	return 0;
}

SEC("tp_btf/sock_send_length")
int sock_send(__u64 *ctx)
{
	return on_moved((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], WAY_SENT);
}

SEC("tp_btf/sock_recv_length")
int sock_recv(__u64 *ctx)
{
	return on_moved((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], WAY_RECEIVED);
}

/* --- connections --------------------------------------------------------------------------------------------- */

static __always_inline void on_connecting(struct sock *sk, struct settings *set)
{
	/* connect() runs in its caller; every other change runs in whoever's thread is current. */
	if (!process_wanted(bpf_get_current_task_btf()->tgid, set))
		return;
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return;
	state->role = ROLE_CLIENT;
	state->announced = 0;
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	state->connector = leader->tgid;
	__builtin_memcpy(state->comm, leader->comm, sizeof(state->comm));
}

/* Announced only now: before, it has no local port. */
static __always_inline void on_connected(struct sock *sk, struct settings *set)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (state)
		announce(sk, state, set, bpf_get_socket_cookie(sk), false);
}

static __always_inline void on_accepted(struct sock *sk, struct settings *set)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return;
	state->role = ROLE_SERVER;
	/* Whose it will be is known when it is first used; that there is one is known now, before the client speaks. */
	if (!(set->flags & FILTER_PIDS))
		announce(sk, state, set, bpf_get_socket_cookie(sk), false);
}

static __always_inline void on_closed(struct sock *sk, int before, struct settings *set)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (state && before == TCP_SYN_SENT)
		announce(sk, state, set, cookie, false);
	if (state && state->announced && state->verdict != VERDICT_IGNORE)
		emit_plain(set, RECORD_CLOSE, cookie, WAY_SENT, sk->sk_err);
	bpf_map_delete_elem(&verdicts, &cookie);
}

static __always_inline void on_sent_all(struct sock *sk, struct settings *set)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (state && state->announced && state->verdict != VERDICT_IGNORE)
		emit_plain(set, RECORD_END, bpf_get_socket_cookie(sk), WAY_SENT, 0);
}

SEC("tp_btf/inet_sock_set_state")
int sock_state(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int before = ctx[1], after = ctx[2];
	struct settings *set = get_settings();

	if (!set || !is_tcp(sk))
		return 0;
	if (after == TCP_CLOSE) {
		on_closed(sk, before, set);
		return 0;
	}
	if (!port_wanted(sk, set))
		return 0;
	if (after == TCP_SYN_SENT)
		on_connecting(sk, set);
	else if (after == TCP_ESTABLISHED && before == TCP_SYN_SENT)
		on_connected(sk, set);
	else if (after == TCP_ESTABLISHED && before == TCP_SYN_RECV)
		on_accepted(sk, set);
	else if (after == TCP_FIN_WAIT1 || after == TCP_LAST_ACK)
		on_sent_all(sk, set);
	return 0;
}

/* --- processes ----------------------------------------------------------------------------------------------- */

SEC("tp_btf/sched_process_fork")
int process_fork(__u64 *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx[0], *child = (struct task_struct *)ctx[1];
	struct settings *set = get_settings();
	__u32 from = parent->tgid, to = child->tgid;
	__u8 one = 1;

	if (set && set->flags & FOLLOW_FORKS && from != to && bpf_map_lookup_elem(&targets, &from))
		bpf_map_update_elem(&targets, &to, &one, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int process_exec(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct settings *set = get_settings();

	__u32 tgid = task->tgid;
	if (!set || !bpf_map_lookup_elem(&speakers, &tgid))
		return 0;
	struct exec_record *exec = bpf_ringbuf_reserve(&records, sizeof(*exec), 0);
	if (!exec) {
		lose(LOSS_RING_FULL, 0);
		return 0;
	}
	fill(&exec->head, RECORD_EXEC, 0);
	__builtin_memcpy(exec->comm, task->comm, sizeof(exec->comm));
	submit(&exec->head);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int process_exit(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct settings *set = get_settings();
	__u32 tgid = task->tgid;

	/* The last thread takes the process with it, whichever that is. */
	if (!set || task->signal->live.counter > 0)
		return 0;
	if (!bpf_map_delete_elem(&speakers, &tgid))
		emit_plain(set, RECORD_EXIT, 0, 0, 0);
	if (set->flags & FOLLOW_FORKS)
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

/* --- what was there before us -------------------------------------------------------------------------------- */

SEC("iter/task_file")
int existing_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	/* Once per process: threads share their files. */
	if (!task || !file || task->pid != task->tgid)
		return 0;
	struct socket *socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	struct sock *sk = socket->sk;
	if (!sk)
		return 0;
	struct existing_record existing = {};
	__u16 family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return 0;
	existing.inode = file->f_inode->i_ino;
	existing.tgid = task->tgid;
	existing.fd = ctx->fd;
	existing.family = family;
	existing.state = sk->__sk_common.skc_state;
	existing.type = sk->sk_type;
	existing.netns = sk->__sk_common.skc_net.net->ns.inum;
	if (family == AF_UNIX) {
		struct unix_sock *local = bpf_skc_to_unix_sock(sk);
		struct sock *peer = local ? local->peer : NULL;
		if (peer)
			existing.peer_inode = inode_of(peer);
	} else {
		existing.local_port = bpf_htons(sk->__sk_common.skc_num);
		existing.remote_port = sk->__sk_common.skc_dport;
		copy_addresses(sk, family, existing.local, existing.remote);
	}
	bpf_seq_write(ctx->meta->seq, &existing, sizeof(existing));
	return 0;
}
