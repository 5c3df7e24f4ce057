// SPDX-License-Identifier: Dual MIT/GPL
/*
 * Hears every stream socket of the machine where calls end, and finds the socket by walking from the descriptor. For
 * kernels without the tracepoints of socket.bpf.c: 5.8 and later. It copies kernel memory (bpf_probe_read_kernel), which
 * lockdown=confidentiality refuses.
 */
#include "syscalls/kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "record.h"
#include "syscalls/maps.h"
#include "ring.h"
#include "allow.h"
#include "tally.h"
#include "syscalls/held.h"
#include "syscalls/call.h"
#include "syscalls/sockets.h"
#include "syscalls/count.h"
#include "syscalls/copy.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* --- calls --------------------------------------------------------------------------------------------------- */

/* The socket that the call is about; of a splice, the one at either end. */
static __always_inline bool find(struct request *request, struct files *open, struct held *held)
{
	held->way = request->call.way;
	if (socket_at(open, request->descriptor, held))
		return true;
	held->way = WAY_SENT;
	return request->call.shape == SHAPE_SPLICE && socket_at(open, request->other, held);
}

/*
 * A call's arguments are still there at its end; what its descriptor stands for may not be, if other threads have the
 * same files: one may close it, and open another, while this one waits in the call.
 */
SEC("tp_btf/sys_enter")
int call_begins(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct request request = {};
	struct files open = {};
	struct held held = {};
	struct settings *set = get_settings();

	if (!set || !may_move(&request, regs))
		return 0;
	__u64 thread = bpf_get_current_pid_tgid();
	if (!process_wanted(thread >> 32, set))
		return 0;
	if (!open_files(&open) || !open.shared || !understand(&request, regs) || !find(&request, &open, &held))
		return 0;
	__u32 tid = thread;
	bpf_map_update_elem(&calls, &tid, &held, BPF_ANY);
	return 0;
}

/*
 * Where in the stream the bytes are. Before 5.12 a sum that tells what was there before is not to be had; so two
 * threads that move bytes of one socket at once are noticed, and neither knows.
 */
static __always_inline bool advance(struct socket_state *state, __u8 way, __u32 size, __u64 *offset)
{
	__u64 *moved = way == WAY_SENT ? &state->moved[WAY_SENT] : &state->moved[WAY_RECEIVED];
	*offset = *(volatile __u64 *)moved;
	__sync_fetch_and_add(moved, size);
	return *(volatile __u64 *)moved == *offset + size;
}

static __always_inline int locate(struct request *request, long result, __u32 size, bool sure, struct copy *copy)
{
	__u64 buffer = request->call.buffer;

	if (request->call.shape == SHAPE_UNBUFFERED || request->call.shape == SHAPE_SPLICE ||
	    request->flags & MSG_TRUNC)
		return LOSS_NO_BUFFER;
	if (!sure || request->call.shape >= SHAPE_FOREIGN)
		return LOSS_GUARDED;
	copy->room = size;
	copy->piece = 0;
	copy->vectors = 0;
	copy->messages = 0;
	if (request->call.shape == SHAPE_BUFFER) {
		if (size > request->call.count)
			return LOSS_GUARDED;
		copy->base = buffer;
		copy->piece = size;
	} else if (request->call.shape == SHAPE_IOVEC) {
		copy->vector = buffer;
		copy->vectors = least(request->call.count, MOST);
	} else if (request->call.shape == SHAPE_MESSAGE) {
		struct user_msghdr message;
		if (bpf_probe_read_user(&message, sizeof(message), (void *)buffer))
			return LOSS_FAULT;
		copy->vector = (__u64)message.msg_iov;
		copy->vectors = least(message.msg_iovlen, MOST);
	} else {
		copy->message = buffer;
		copy->messages = result;
		copy->room = 0;
	}
	return LOSS_NONE;
}

static __always_inline void moved(struct request *request, long result, __u32 size, bool sure, struct settings *set,
				  struct socket_state *state, __u8 verdict)
{
	__u8 over;
	struct copy *copy = get_copy();
	if (!copy)
		return;
	copy->socket = state->id;
	copy->way = request->call.way;
	copy->number = request->call.number;
	if (verdict == VERDICT_TALLY) {
		tally(state->moved, state->tallied, state->id, copy->way, size);
		return;
	}
	if (!advance(state, copy->way, size, &copy->offset)) {
		lose(LOSS_GUARDED, size); /* the jump of the offsets tells */
		return;
	}
	__u32 *copied = copy->way == WAY_SENT ? &state->copied[WAY_SENT] : &state->copied[WAY_RECEIVED];
	copy->left = allowance(copied, set, verdict, size, &over);
	__u64 end = copy->offset + size;
	copy->loss = locate(request, result, size, sure, copy);
	if (!copy->loss) {
		if (copy->left)
			copy_all();
		if (copy->offset == end)
			return;
		if (!copy->loss)
			copy->loss = copy->left ? LOSS_GUARDED : over;
	}
	emit_gap(copy, end - copy->offset, copy->loss);
}

static __always_inline void failed(struct socket_state *state, __u8 way, int error)
{
	if (error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ECONNABORTED)
		emit_plain(RECORD_ERROR, state->id, way, error);
}

static __always_inline __u32 size_of(struct request *request, long result)
{
	if (request->call.shape == SHAPE_MESSAGES)
		return add_up(request->call.buffer, sizeof(struct mmsghdr), __builtin_offsetof(struct mmsghdr, msg_len), result);
	if (request->call.shape == SHAPE_FOREIGN_MESSAGES)
		return add_up(request->call.buffer, FOREIGN_MESSAGE, FOREIGN_MESSAGE - sizeof(__u32), result);
	return result;
}

static __always_inline bool asked_for_something(struct request *request)
{
	return request->call.shape != SHAPE_BUFFER || request->call.count;
}

/* Bytes of which no more is known than how many. */
static __always_inline void missed(struct socket_state *state, __u8 way, __u32 bytes, __u8 reason)
{
	struct copy *copy = get_copy();
	if (!copy)
		return;
	if (state->verdict == VERDICT_TALLY) {
		tally(state->moved, state->tallied, state->id, way, bytes);
		return;
	}
	copy->socket = state->id;
	copy->way = way;
	copy->number = 0;
	if (advance(state, way, bytes, &copy->offset))
		emit_gap(copy, bytes, reason);
	else
		lose(reason, bytes); /* the jump of the offsets tells */
}

static __always_inline void on_moved(struct request *request, long result, struct held *held, bool sure,
				     struct settings *set, struct socket_state *state, __u8 verdict)
{
	__u8 way = request->call.way;
	__u32 size = result > 0 ? size_of(request, result) : 0;
	__s32 beyond = unseen(held->sk, state, way, size, &sure);

	count_heard(size);
	/* Other bytes went through it, and these were another's: it was not there when the call began. */
	if (!sure && beyond + (__s32)size == 0 && state->counted == COUNTED)
		return;
	if (result < 0 && beyond <= 0) {
		if (state->announced)
			failed(state, way, -result);
		return;
	}
	if (!announce(held->sk, state, true)) {
		lose(LOSS_RING_FULL, size); /* the jump of the offsets tells */
		return;
	}
	/* A call of many messages that fails in one of them has moved it, and does not say so. */
	bool after = request->call.shape == SHAPE_MESSAGES;
	if (beyond > 0 && !after)
		missed(state, way, beyond, LOSS_NO_BUFFER);
	if (beyond < 0) {
		if (beyond + (__s32)size > 0)
			missed(state, way, beyond + size, LOSS_GUARDED);
	} else if (size) {
		moved(request, result, size, sure, set, state, verdict);
	} else if (result == 0 && way == WAY_RECEIVED && asked_for_something(request)) {
		/* Nothing received is the end of the stream; nothing sent is nothing. */
		emit_plain(RECORD_END, state->id, way, 0);
	}
	if (beyond > 0 && after)
		missed(state, way, beyond, LOSS_GUARDED);
}

/* What cannot be read is no loss: it was nobody's exchange. What is cut is no message. */
static __always_inline void on_answer(struct request *request, long result)
{
	__u64 base = request->call.buffer;

	if (result <= 0 || result > ANSWER || request->flags & MSG_TRUNC)
		return;
	if (request->call.shape == SHAPE_MESSAGE) {
		struct user_msghdr message;
		if (bpf_probe_read_user(&message, sizeof(message), (void *)base))
			return;
		base = in_first_vector((__u64)message.msg_iov, result);
	} else if (request->call.shape == SHAPE_IOVEC) {
		base = in_first_vector(base, result);
	} else if (request->call.shape != SHAPE_BUFFER || result > request->call.count) {
		return;
	}
	if (base)
		emit_answer(base, result);
}

static __always_inline void on_result(struct request *request, long result, struct held *held, bool sure,
				      struct settings *set, __u32 tgid)
{
	__u8 way = request->call.way;
	/* Urgent bytes and the queue of errors are beside the stream. */
	if (way == WAY_RECEIVED && request->flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
		return;
	struct socket_state *state = state_of(held, set);
	if (!state || !state->heard)
		return;
	if (state->heard == ANSWERS) {
		if (way == WAY_RECEIVED && sure)
			on_answer(request, result);
		return;
	}
	__u8 verdict = verdict_of(state, set);
	if (verdict == VERDICT_IGNORE) {
		if (state->counted == COUNTED)
			state->counted = COUNTED_PERHAPS;
		return;
	}
	if (!state->owned && result >= 0) {
		__u8 one = 1;
		bpf_map_update_elem(&speakers, &tgid, &one, BPF_ANY);
		state->owned = 1;
	}
	on_moved(request, result, held, sure, set, state, verdict);
}

SEC("tp_btf/sys_exit")
int call_ends(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct request request = {};
	struct files open = {};
	struct held held = {};
	struct settings *set = get_settings();

	if (!set || !may_move(&request, regs))
		return 0;
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 tgid = thread >> 32, tid = thread;
	if (!process_wanted(tgid, set) || !understand(&request, regs))
		return 0;
	struct held *then = bpf_map_lookup_elem(&calls, &tid);
	if (then) {
		held = *then;
		bpf_map_delete_elem(&calls, &tid);
	} else if (!open_files(&open) || !find(&request, &open, &held)) {
		return 0;
	}
	request.call.way = held.way;
	/* Where nobody looked when it began, another thread may have put this socket there meanwhile. */
	on_result(&request, (long)ctx[1], &held, !open.shared, set, tgid);
	return 0;
}

/* --- io_uring ------------------------------------------------------------------------------------------------ */

/* The numbers of linux/io_uring.h. */
static __always_inline bool uring_way(__u8 operation, __u8 *way)
{
	switch (operation) {
	case 2:  /* WRITEV */
	case 5:  /* WRITE_FIXED */
	case 9:  /* SENDMSG */
	case 23: /* WRITE */
	case 26: /* SEND */
	case 30: /* SPLICE */
	case 47: /* SEND_ZC */
	case 48: /* SENDMSG_ZC */
		*way = WAY_SENT;
		return true;
	case 1:  /* READV */
	case 4:  /* READ_FIXED */
	case 10: /* RECVMSG */
	case 22: /* READ */
	case 27: /* RECV */
		*way = WAY_RECEIVED;
		return true;
	}
	return false;
}

/* No call of the thread is about these bytes: how many there are, and when. */
SEC("tp_btf/io_uring_complete")
int uring_completes(__u64 *ctx)
{
	struct io_kiocb *done = (struct io_kiocb *)ctx[1];
	struct request request = { .call = { .shape = SHAPE_UNBUFFERED } };
	struct held held = {};
	struct settings *set = get_settings();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	/* Of one request that completes many times, only the last. */
	if (!set || !done || !uring_way(BPF_CORE_READ(done, opcode), &request.call.way) || !process_wanted(tgid, set))
		return 0;
	if (socket_of((__u64)BPF_CORE_READ(done, file), &held))
		on_result(&request, BPF_CORE_READ(done, cqe.res), &held, true, set, tgid);
	return 0;
}

/* --- connections --------------------------------------------------------------------------------------------- */

static __always_inline void on_connecting(__u64 sk, struct settings *set)
{
	/* connect() runs in its caller; every other change runs in whoever's thread is current. */
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	if (!process_wanted(tgid, set))
		return;
	struct socket_state *state = begin(sk, inode_of(sk), HEARD, ROLE_CLIENT, BPF_ANY);
	if (!state)
		return;
	state->connector = tgid;
	leader_name(state->comm);
}

/* Announced only now: before, it has no local port. */
static __always_inline void on_connected(__u64 sk)
{
	struct socket_state *state = bpf_map_lookup_elem(&sockets, &sk);
	if (!state || state->role != ROLE_CLIENT)
		return;
	count_from_now(sk, state, COUNTED);
	announce(sk, state, false);
}

static __always_inline void on_accepted(__u64 sk, struct settings *set)
{
	struct socket_state *state = bpf_map_lookup_elem(&sockets, &sk);
	if (!state) {
		state = begin(sk, 0, HEARD, ROLE_SERVER, BPF_ANY);
		if (!state)
			return;
		count_from_now(sk, state, COUNTED);
	}
	/* Whose it will be is known when it is first used; that there is one is known now, before the client speaks. */
	if (!(set->flags & FILTER_PIDS))
		announce(sk, state, false);
}

/*
 * What no call has told of this direction. A call that is on its way out may tell later what is told here; by the count
 * of then, it was.
 */
static __always_inline void tell_rest(__u64 sk, struct socket_state *state, __u8 way)
{
	bool sure;
	if (!state->announced || state->verdict == VERDICT_IGNORE)
		return;
	/* The kernel's own sockets have no file: no program's API. */
	if (!state->inode)
		state->inode = inode_of(sk);
	if (!state->inode)
		return;
	__s32 rest = unseen(sk, state, way, 0, &sure);
	if (rest > 0)
		missed(state, way, rest, LOSS_NO_BUFFER);
}

static __always_inline void on_closed(__u64 sk, int before)
{
	struct socket_state *state = bpf_map_lookup_elem(&sockets, &sk);
	if (!state || state->closed)
		return;
	if (before == TCP_SYN_SENT && state->heard)
		announce(sk, state, false);
	tell_rest(sk, state, WAY_RECEIVED);
	if (state->announced && state->verdict == VERDICT_TALLY)
		tally_all(state->moved, state->id);
	if (state->announced && state->verdict != VERDICT_IGNORE)
		emit_plain(RECORD_CLOSE, state->id, WAY_SENT, BPF_CORE_READ((struct sock *)sk, sk_err));
	state->closed = 1;
	__u64 id = state->id;
	bpf_map_delete_elem(&verdicts, &id);
	/* Nobody can read from what has no file. */
	if (!state->inode)
		bpf_map_delete_elem(&sockets, &sk);
}

static __always_inline void on_sent_all(__u64 sk)
{
	struct socket_state *state = bpf_map_lookup_elem(&sockets, &sk);
	if (!state || state->closed)
		return;
	tell_rest(sk, state, WAY_SENT);
	state->sent_all = 1;
	if (state->announced && state->verdict != VERDICT_IGNORE)
		emit_plain(RECORD_END, state->id, WAY_SENT, 0);
}

/* A socket that was at this address before is gone. What comes with the first packet of all may be read before its
 * connection is there, and then it is known. */
static __always_inline void forget_former(__u64 sk)
{
	struct socket_state *state = bpf_map_lookup_elem(&sockets, &sk);
	if (state && (state->closed || state->inode != inode_of(sk)))
		bpf_map_delete_elem(&sockets, &sk);
}

SEC("tp_btf/inet_sock_set_state")
int sock_state(__u64 *ctx)
{
	__u64 address = 0;
	int before = ctx[1], after = ctx[2];
	struct settings *set = get_settings();

	/* As a number, not as the pointer the verifier knows: it is a key here. */
	if (!set || bpf_probe_read_kernel(&address, sizeof(address), ctx))
		return 0;
	struct sock *sk = (struct sock *)address;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (!is_tcp(sk, family))
		return 0;
	if (after == TCP_CLOSE) {
		on_closed(address, before);
		return 0;
	}
	if (after == TCP_SYN_SENT)
		bpf_map_delete_elem(&sockets, &address);
	else if (after == TCP_ESTABLISHED && before == TCP_SYN_RECV)
		forget_former(address);
	if (!port_wanted(sk, family, set))
		return 0;
	if (after == TCP_SYN_SENT) {
		on_connecting(address, set);
	} else if (after == TCP_ESTABLISHED && before == TCP_SYN_SENT) {
		on_connected(address);
	} else if (after == TCP_ESTABLISHED && before == TCP_SYN_RECV) {
		on_accepted(address, set);
	} else if (after == TCP_FIN_WAIT1 || after == TCP_LAST_ACK) {
		on_sent_all(address);
	}
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
	__u32 tgid = task->tgid;

	if (!get_settings() || !bpf_map_lookup_elem(&speakers, &tgid))
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
	__u32 tgid = task->tgid, tid = task->pid;

	/* Killed within a call, it never ends it. */
	bpf_map_delete_elem(&calls, &tid);
	/* The last thread takes the process with it, whichever that is. */
	if (!set || task->signal->live.counter > 0)
		return 0;
	if (!bpf_map_delete_elem(&speakers, &tgid))
		emit_plain(RECORD_EXIT, 0, 0, 0);
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
	struct settings *set = get_settings();
	struct held held = {};
	__u64 address = 0;

	/* Once per process: threads share their files. */
	if (!task || !file || task->pid != task->tgid)
		return 0;
	if (bpf_core_read(&address, sizeof(address), &ctx->file) || !socket_of(address, &held))
		return 0;
	struct sock *sk = (struct sock *)held.sk;
	struct existing_record existing = {};
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return 0;
	existing.inode = held.inode;
	existing.tgid = task->tgid;
	existing.fd = ctx->fd;
	existing.family = family;
	existing.state = BPF_CORE_READ(sk, __sk_common.skc_state);
	existing.type = BPF_CORE_READ(sk, sk_type);
	existing.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (family == AF_UNIX) {
		existing.peer_inode = peer_inode(sk);
	} else {
		existing.local_port = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
		existing.remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
		copy_addresses(sk, family, existing.local, existing.remote);
	}
	/* From here on its bytes are counted: threads may be waiting in calls about it. */
	if (set)
		state_of(&held, set);
	bpf_seq_write(ctx->meta->seq, &existing, sizeof(existing));
	return 0;
}
