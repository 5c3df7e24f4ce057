/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * Plaintext of Go programs, whose TLS is their own. A goroutine is now on one thread and now on another, and its stack
 * is moved when it grows: so a call is kept by its goroutine, never by its thread, and no return address is ever
 * replaced. Where a function returns there is a probe on each of its RET instructions.
 *
 * Which socket carries a connection its file descriptor says; which socket a file descriptor is, each socket says
 * when it is used for the first time: the handshake comes before the first byte of plaintext.
 */
#ifndef OVERHEAR_GO_H
#define OVERHEAR_GO_H

#include "syscall.h"
#include "tls.h"

/* --- which socket a file descriptor is ----------------------------------------------------------------------- */

struct file_key {
	__u32 tgid;
	__u32 fd;
};

struct file_socket {
	__u64 cookie;
	__u64 opened;
};

/* Least recently used: unix sockets say nothing when they are closed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct file_key);
	__type(value, struct file_socket);
} files SEC(".maps");

#if defined(__TARGET_ARCH_x86)
#define FIRST_ARGUMENT(context) ((context)->di)
#elif defined(__TARGET_ARCH_arm64)
#define FIRST_ARGUMENT(context) ((context)->orig_x0)
#endif

static __always_inline void list_file(struct task_struct *task, struct socket_state *state, struct settings *set)
{
	if (state->file_tgid || !(set->flags & HEAR_TLS))
		return;
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct call call = {};
	call_arguments(&call, regs);
	call_shape(&call);
	if (!call.entered || call.shape == SHAPE_NONE || compat_call(task) ||
	    task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return;
	struct file_key key = { .tgid = task->tgid, .fd = FIRST_ARGUMENT(regs) };
	struct file_socket socket = { .cookie = state->cookie, .opened = state->opened };
	state->file_tgid = key.tgid;
	state->file_fd = key.fd;
	bpf_map_update_elem(&files, &key, &socket, BPF_ANY);
}

/* The socket is closed, and its number is given to the next. */
static __always_inline void unlist_file(struct socket_state *state)
{
	if (!state->file_tgid)
		return;
	struct file_key key = { .tgid = state->file_tgid, .fd = state->file_fd };
	struct file_socket *socket = bpf_map_lookup_elem(&files, &key);
	if (socket && socket->cookie == state->cookie)
		bpf_map_delete_elem(&files, &key);
}

/* --- calls --------------------------------------------------------------------------------------------------- */

/* The call of `(*tls.Conn).Read` that a goroutine is in. */
struct go_call {
	__u64 session;
	__u64 buffer;
	__u64 length;
	__u64 below; /* how far the buffer is below the top of the stack; 0 = it is on the heap */
};

struct go_key {
	__u64 routine;
	__u32 tgid;
	__u32 reserved;
};

/* Least recently used: a program that is killed leaves its calls behind. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 15);
	__type(key, struct go_key);
	__type(value, struct go_call);
} go_calls SEC(".maps");

/* The beginning of `runtime.g`. */
struct go_stack {
	__u64 low;
	__u64 high;
};

/* The beginning of `poll.FD`, and so of `net.netFD`. */
struct go_file {
	__u64 state;
	__u64 semaphores;
	__u64 fd;
};

/* A `net.Conn` as Go has interfaces. */
struct go_interface {
	__u64 type;
	__u64 value;
};

#if defined(__TARGET_ARCH_x86)
#define GO_1(context) ((context)->ax)
#define GO_2(context) ((context)->bx)
#define GO_3(context) ((context)->cx)
#define GO_ROUTINE(context) ((context)->r14)
#elif defined(__TARGET_ARCH_arm64)
#define GO_1(context) ((context)->regs[0])
#define GO_2(context) ((context)->regs[1])
#define GO_3(context) ((context)->regs[2])
#define GO_ROUTINE(context) ((context)->regs[28])
#endif

#define MOST_MOVED 0x7fffffff

/*
 * The socket under a `tls.Conn`. Its first field is a `net.Conn`, usually a `*net.TCPConn`, which is a pointer to a
 * netFD. Else it is somebody's struct, in which the wrapped `net.Conn` usually comes first.
 */
static __always_inline struct file_socket *go_socket(__u64 session, __u32 tgid)
{
	struct go_interface conn;
	if (bpf_probe_read_user(&conn, sizeof(conn), (void *)session))
		return NULL;
	for (int depth = 0; depth < 3; depth++) {
		struct go_interface within;
		struct go_file file;
		__u64 value = conn.value;
		if (bpf_probe_read_user(&within, sizeof(within), (void *)value)) {
			/* A struct of one pointer may end where memory ends. */
			if (bpf_probe_read_user(&within.type, sizeof(within.type), (void *)value))
				return NULL;
			within.value = 0;
		}
		if (!bpf_probe_read_user(&file, sizeof(file), (void *)within.type) && !file.semaphores && !(file.fd >> 31)) {
			struct file_key key = { .tgid = tgid, .fd = file.fd };
			struct file_socket *socket = bpf_map_lookup_elem(&files, &key);
			if (socket)
				return socket;
		}
		conn = within;
	}
	return NULL;
}

static __always_inline void go_tell(struct settings *set, struct go_call *found, __u32 size, __u8 way)
{
	struct tls_key key = { .session = found->session, .tgid = bpf_get_current_task_btf()->tgid };
	struct tls_call call = { .session = found->session };
	struct file_socket *socket = go_socket(found->session, key.tgid);
	if (socket) {
		call.socket = socket->cookie;
		call.opened = socket->opened;
	}
	struct tls_session *session = tls_session_of(&call, &key);
	if (!session)
		return;
	/* Of a socket that is not wanted nothing is known. */
	if (set->flags & FILTER_PORTS && !session->socket)
		return;
	verdict_of(&session->verdict, &session->epoch, set, session->number);
	if (session->verdict == VERDICT_IGNORE)
		return;
	struct copy copy = { .base = found->buffer };
	tls_tell(session, set, &copy, size, way);
}

static __always_inline bool go_wanted(struct settings *set)
{
	return set && process_wanted(bpf_get_current_task_btf()->tgid, set);
}

/*
 * Told before it is sent, and not when the call returns: another goroutine may have read the answer by then. What could
 * not be sent is followed by the end of the connection.
 */
SEC("uprobe")
int go_write(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	if (!go_wanted(set))
		return 0;
	struct go_call call = {
		.session = GO_1(ctx),
		.buffer = GO_2(ctx),
		.length = GO_3(ctx),
	};
	if (call.length && call.length <= MOST_MOVED)
		go_tell(set, &call, call.length, WAY_SENT);
	return 0;
}

SEC("uprobe")
int go_read(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	if (!go_wanted(set))
		return 0;
	struct go_key key = { .routine = GO_ROUTINE(ctx), .tgid = bpf_get_current_task_btf()->tgid };
	struct go_call call = {
		.session = GO_1(ctx),
		.buffer = GO_2(ctx),
		.length = GO_3(ctx),
	};
	struct go_stack stack;
	if (bpf_probe_read_user(&stack, sizeof(stack), (void *)key.routine))
		return 0;
	if (call.buffer >= stack.low && call.buffer < stack.high)
		call.below = stack.high - call.buffer;
	bpf_map_update_elem(&go_calls, &key, &call, BPF_ANY);
	return 0;
}

/*
 * What a function was called with it keeps above its return address, if it needs it later (cmd/compile/abi-internal.md);
 * Read does. Of a call that was there before us that is all there is; that it leads to a socket proves it.
 */
static __always_inline bool go_recall(struct go_call *call, __u64 stack, __u64 size, __u32 tgid)
{
	__u64 arguments[3];
	if (bpf_probe_read_user(arguments, sizeof(arguments), (void *)(stack + sizeof(__u64))))
		return false;
	call->session = arguments[0];
	call->buffer = arguments[1];
	call->length = arguments[2];
	return size <= call->length && go_socket(call->session, tgid);
}

SEC("uprobe")
int go_read_return(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	if (!go_wanted(set))
		return 0;
	struct go_key key = { .routine = GO_ROUTINE(ctx), .tgid = bpf_get_current_task_btf()->tgid };
	struct go_call call = {};
	__u64 size = GO_1(ctx);
	struct go_call *kept = bpf_map_lookup_elem(&go_calls, &key);
	if (kept) {
		call = *kept;
		bpf_map_delete_elem(&go_calls, &key);
	}
	if (!size || (long)size < 0)
		return 0;
	if (!kept && !go_recall(&call, ctx->sp, size, key.tgid))
		return 0;
	if (size > call.length || size > MOST_MOVED) {
		lose(LOSS_GUARDED, 0);
		return 0;
	}
	if (call.below) {
		struct go_stack stack;
		if (bpf_probe_read_user(&stack, sizeof(stack), (void *)key.routine)) {
			lose(LOSS_FAULT, size);
			return 0;
		}
		call.buffer = stack.high - call.below;
	}
	go_tell(set, &call, size, WAY_RECEIVED);
	return 0;
}

SEC("uprobe")
int go_close(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	if (set)
		tls_over(set, GO_1(ctx));
	return 0;
}

#endif
