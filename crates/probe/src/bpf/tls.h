/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * What programs hand to their TLS libraries and get from them: the plaintext. A probe where a function begins keeps its
 * arguments with the thread, one where it returns copies what moved. Which socket carries a session shows when the thread
 * uses one in between; a library that is given bytes by its program (Node, asyncio) shows none, and user space finds
 * it by the order of calls.
 *
 * All libraries whose functions have one of the shapes of `enum tls_call_kind` are heard by these programs.
 */
#ifndef OVERHEAR_TLS_H
#define OVERHEAR_TLS_H

#include "allow.h"
#include "copy.h"
#include "identity.h"
#include "maps.h"

enum tls_call_kind {
	TLS_NONE = 0,
	TLS_READ = 1,     /* (session, buffer, size) -> bytes: SSL_read, gnutls_record_recv */
	TLS_WRITE = 2,    /* (session, buffer, size) -> bytes: SSL_write, gnutls_record_send */
	TLS_READ_EX = 3,  /* (session, buffer, size, *bytes) -> 1: SSL_read_ex */
	TLS_WRITE_EX = 4, /* (session, buffer, size, *bytes) -> 1: SSL_write_ex */
	TLS_WRITE_VECTORS = 5, /* several buffers -> bytes: rustls */
	TLS_WRITE_FILE = 6, /* (session, file, offset, size) -> bytes: SSL_sendfile, where the kernel encrypts */
	TLS_HANDSHAKE = 7, /* (session): SSL_do_handshake */
};

/* The call into a TLS library that a thread is in; of nested ones (TLS within TLS) the outermost. */
struct tls_call {
	__u64 session; /* the library's object */
	__u64 buffer;
	__u64 length;
	__u64 moved;    /* kinds _EX: where it says how many bytes moved; _VECTORS: the first byte; _FILE: how many are asked */
	__u64 stack;    /* user stack pointer at the probe */
	__u64 socket;   /* cookie of the socket it used */
	__u64 opened;   /* when that was opened */
	__u64 read;     /* cookie of the socket that the thread received from last, within calls or not; 0 = not known */
	__u32 depth;    /* calls within it */
	__u8 kind;      /* enum tls_call_kind */
	__u8 way;
	__u8 tcp;      /* so is the socket */
	__u8 unwanted; /* it used a socket that is not to be heard */
	__u8 moves;    /* the session is no object of its own: rustls */
};

/* One session of a library. Numbered by us: its address is used again. */
struct tls_session {
	__u64 number;
	__u64 socket;
	__u64 read;      /* where its thread had received from, when it got plaintext last: of those that move */
	__u64 moved[2];  /* plaintext bytes per enum way */
	__u32 copied[2]; /* of those copied while undecided */
	__u32 epoch;
	__u8 verdict;
	__u8 announced;
	__u8 from_start;
	__u8 reserved;
};

struct tls_key {
	__u64 session;
	__u32 tgid;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tls_call);
} tls_calls SEC(".maps");

/* Least recently used: of a program that is killed nobody says that its sessions are over. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 15);
	__type(key, struct tls_key);
	__type(value, struct tls_session);
} tls_sessions SEC(".maps");

enum { TLS_SESSIONS_SEEN = 0, TLS_ATTACHED = 1 };

/* Sessions seen; and when the last library was probed, CLOCK_MONOTONIC, written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} tls_state SEC(".maps");

/* --- while sockets are used ---------------------------------------------------------------------------------- */

/* What is kept of a thread that has used a TLS library. */
static __always_inline struct tls_call *tls_thread(struct task_struct *task, struct settings *set)
{
	return set->flags & HEAR_TLS ? bpf_task_storage_get(&tls_calls, task, NULL, 0) : NULL;
}

/* The socket carries the session: what moves is ciphertext. Says whether it does. */
static __always_inline bool tls_carries(struct tls_call *call, struct sock *sk, struct socket_state *state, __u64 cookie,
					__u8 way)
{
	/* A read may write too (a new key), and a program's own log lines may go to a socket. */
	if (call->way != way)
		return call->socket == cookie;
	bool tcp = is_tcp(sk);
	if (call->socket && call->socket != cookie && (call->tcp || !tcp))
		return false;
	call->socket = cookie;
	call->opened = state->opened;
	call->tcp = tcp;
	/* What the client says first is read before there is plaintext: by it connections are known to be one. */
	if (call->kind == TLS_HANDSHAKE)
		return false;
	state->sealed = 1;
	return true;
}

/* --- calls into the libraries -------------------------------------------------------------------------------- */

#if defined(__TARGET_ARCH_x86)
#define ARGUMENT_1(context) ((context)->di)
#define ARGUMENT_2(context) ((context)->si)
#define ARGUMENT_3(context) ((context)->dx)
#define ARGUMENT_4(context) ((context)->cx)
#define RESULT(context) ((context)->ax)
#elif defined(__TARGET_ARCH_arm64)
#define ARGUMENT_1(context) ((context)->regs[0])
#define ARGUMENT_2(context) ((context)->regs[1])
#define ARGUMENT_3(context) ((context)->regs[2])
#define ARGUMENT_4(context) ((context)->regs[3])
#define RESULT(context) ((context)->regs[0])
#endif

/* The call that begins, if it is the outermost. */
static __always_inline struct tls_call *tls_entered(struct pt_regs *ctx, __u8 kind)
{
	struct settings *set = get_settings();
	struct task_struct *task = bpf_get_current_task_btf();
	if (!set || !process_wanted(task->tgid, set))
		return NULL;
	struct tls_call *call = bpf_task_storage_get(&tls_calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call)
		return NULL;
	__u64 stack = ctx->sp;
	/* Stacks grow down. One that is not below was left without a return that we saw. */
	if (call->kind && stack < call->stack) {
		call->depth++;
		return NULL;
	}
	call->session = ARGUMENT_1(ctx);
	call->buffer = ARGUMENT_2(ctx);
	call->length = ARGUMENT_3(ctx);
	call->moved = ARGUMENT_4(ctx);
	call->stack = stack;
	call->socket = 0;
	call->opened = 0;
	call->depth = 0;
	call->tcp = 0;
	call->unwanted = 0;
	call->moves = 0;
	bool sends = kind == TLS_WRITE || kind == TLS_WRITE_EX || kind == TLS_WRITE_VECTORS || kind == TLS_WRITE_FILE;
	call->way = sends ? WAY_SENT : WAY_RECEIVED;
	call->kind = kind;
	return call;
}

static __always_inline int tls_enter(struct pt_regs *ctx, __u8 kind)
{
	tls_entered(ctx, kind);
	return 0;
}

SEC("uprobe")
int tls_enter_read(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_READ);
}

SEC("uprobe")
int tls_enter_write(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_WRITE);
}

SEC("uprobe")
int tls_enter_read_ex(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_READ_EX);
}

SEC("uprobe")
int tls_enter_write_ex(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_WRITE_EX);
}

SEC("uprobe")
int tls_enter_write_file(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_WRITE_FILE);
}

SEC("uprobe")
int tls_enter_handshake(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_HANDSHAKE);
}

/* Bytes that the call which just returned moved; 0 = none. */
static __always_inline __u32 tls_moved(struct tls_call *call, __u8 kind, int result)
{
	if (result <= 0 || kind == TLS_HANDSHAKE)
		return 0;
	__u64 moved = result, asked = call->length;
	if (kind == TLS_READ_EX || kind == TLS_WRITE_EX) {
		if (bpf_probe_read_user(&moved, sizeof(moved), (void *)call->moved)) {
			lose(LOSS_FAULT, 0);
			return 0;
		}
	} else if (kind == TLS_WRITE_VECTORS) {
		asked = moved;
	} else if (kind == TLS_WRITE_FILE) {
		asked = call->moved;
	} else {
		asked = (__u32)asked;
	}
	if (moved > asked || moved > 0x7fffffff) {
		lose(LOSS_GUARDED, 0);
		return 0;
	}
	return moved;
}

static __always_inline struct tls_session *tls_begin(struct tls_key *key, bool moves)
{
	__u32 seen = TLS_SESSIONS_SEEN;
	__u64 *count = bpf_map_lookup_elem(&tls_state, &seen);
	if (!count)
		return NULL;
	struct tls_session fresh = { .number = TLS_SESSION | __sync_fetch_and_add(count, 1) };
	if (moves)
		fresh.number |= TLS_MOVES;
	bpf_map_update_elem(&tls_sessions, key, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&tls_sessions, key);
}

/* Every library was probed before this connection was opened: nothing of it was missed. */
static __always_inline bool tls_whole(struct tls_session *session, __u64 opened)
{
	__u32 attached = TLS_ATTACHED;
	__u64 *last = bpf_map_lookup_elem(&tls_state, &attached);
	return !session->moved[0] && !session->moved[1] && opened && last && *last < opened;
}

/* The session of the call, as it is now that it used its socket. */
static __always_inline struct tls_session *tls_session_of(struct tls_call *call, struct tls_key *key)
{
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, key);
	/* The object serves another connection, and nobody said that it was freed. */
	bool other = session && call->socket && session->socket != call->socket &&
		     (session->socket || session->verdict == VERDICT_IGNORE);
	if (!session || other)
		session = tls_begin(key, call->moves);
	if (session && call->socket && !session->socket) {
		session->socket = call->socket;
		session->from_start = tls_whole(session, call->opened);
		session->announced = 0;
	}
	return session;
}

static __always_inline bool tls_announce(struct tls_session *session)
{
	if (session->announced)
		return true;
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return false;
	fill(record, RECORD_TLS, session->number);
	record->offset = session->socket;
	record->size = session->from_start;
	submit(record);
	session->announced = 1;
	return true;
}

/* What the call moved, whose buffer or vectors are in `copy`, or the reason why it is not copied. */
static __always_inline void tls_tell(struct tls_session *session, struct settings *set, struct copy *copy, __u32 size,
				     __u8 way)
{
	__u8 over;
	copy->socket = session->number;
	copy->offset = __sync_fetch_and_add(&session->moved[way], size);
	copy->way = way;
	if (!tls_announce(session)) {
		lose(LOSS_RING_FULL, size);
		return;
	}
	copy->left = allowance(&session->copied[way], set, session->verdict, size, &over);
	if (!copy->vectors)
		copy->piece = copy->left;
	__u64 end = copy->offset + size;
	if (copy->left && !copy->loss)
		copy_all(copy);
	if (copy->offset == end)
		return;
	if (!copy->loss)
		copy->loss = copy->left ? LOSS_GUARDED : over;
	emit_gap(copy, end - copy->offset, copy->loss);
}

/*
 * A program that uses the socket itself gives what it read there to the session at once, in the same thread. During the
 * handshake that shows which socket it is before there is plaintext, and without doubt: what comes with the handshake's
 * last bytes is often read later, after other sockets.
 */
static __always_inline void tls_touch(struct tls_call *call, struct tls_key *key, struct settings *set)
{
	if (call->socket || call->unwanted)
		return;
	struct tls_session *session = tls_session_of(call, key);
	if (!session || session->socket)
		return;
	if (verdict_of(&session->verdict, &session->epoch, set, session->number) == VERDICT_ASK)
		emit_plain(RECORD_TLS_TOUCH, session->number, 0, 0);
}

SEC("uretprobe")
int tls_return(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *call = bpf_task_storage_get(&tls_calls, task, NULL, 0);
	if (!call || !call->kind)
		return 0;
	if (call->depth) {
		call->depth--;
		return 0;
	}
	__u8 kind = call->kind, way = call->way & 1;
	call->kind = 0;
	struct settings *set = get_settings();
	__u32 size = tls_moved(call, kind, (int)RESULT(ctx));
	if (!set)
		return 0;
	struct tls_key key = { .session = call->session, .tgid = task->tgid };
	if (!size) {
		tls_touch(call, &key, set);
		return 0;
	}
	struct tls_session *session = tls_session_of(call, &key);
	if (!session)
		return 0;
	if (call->unwanted && !session->socket)
		session->verdict = VERDICT_IGNORE;
	else
		verdict_of(&session->verdict, &session->epoch, set, session->number);
	if (session->verdict == VERDICT_IGNORE)
		return 0;
	struct copy copy = {};
	if (kind == TLS_WRITE_VECTORS) {
		copy.vector = call->buffer;
		copy.vectors = call->length;
		copy.loss = call->moved ? LOSS_GUARDED : LOSS_NONE;
	} else if (kind == TLS_WRITE_FILE) {
		copy.loss = LOSS_NO_BUFFER;
	} else {
		copy.base = call->buffer;
	}
	tls_tell(session, set, &copy, size, way);
	return 0;
}

/* A session is over: nothing follows in it. */
static __always_inline void tls_over(struct settings *set, __u64 object)
{
	struct tls_key key = { .session = object, .tgid = bpf_get_current_task_btf()->tgid };
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!session)
		return;
	__u64 number = session->number;
	if (session->announced && session->verdict != VERDICT_IGNORE)
		emit_plain(RECORD_CLOSE, number, WAY_SENT, 0);
	bpf_map_delete_elem(&tls_sessions, &key);
	bpf_map_delete_elem(&verdicts, &number);
}

SEC("uprobe")
int tls_free(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	if (!set)
		return 0;
	tls_over(set, ARGUMENT_1(ctx));
	/* A handshake of rustls is told by this alone: from now on it is known what the thread receives from. */
	bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

#endif
