/* SPDX-License-Identifier: Dual MIT/GPL */
/* Where in user memory the bytes of the call are, and every guard against being wrong about it. */
#ifndef OVERHEAR_LOCATE_H
#define OVERHEAR_LOCATE_H

#include "maps.h"
#include "syscall.h"

struct copy {
	__u64 socket;
	__u64 offset;  /* of the next byte, in the stream */
	__u64 base;    /* of the next byte, in user memory */
	__u64 vector;  /* the next iovec */
	__u64 name;    /* of a message, in user memory: whom it goes to, where the call says that */
	__u32 vectors; /* how many are left */
	__u32 piece;   /* bytes left at base */
	__u32 left;    /* bytes still to copy */
	__u32 number;
	__u8 way;
	__u8 loss; /* why copying stopped early */
	bool comes; /* what is not copied comes by packets */
};

/* From here on nobody can say which message is which, until the thread calls from elsewhere or differently. */
#define UNKNOWN_MESSAGE 0xffffffff

/* Which message of a sendmmsg or recvmmsg this event is about: they fire once for each. */
static __always_inline long message_index(struct task_struct *task, struct call *call, __u64 socket, __u32 *index)
{
	struct messages_state *at = bpf_task_storage_get(&messages, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!at)
		return -1;
	bool elsewhere = at->socket && at->socket != socket;
	if (elsewhere || at->buffer != call->buffer || at->stack != call->stack || at->count != call->count ||
	    at->number != call->number || (at->next >= call->count && at->next != UNKNOWN_MESSAGE)) {
		at->socket = socket;
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

/* The thread is in a call of several messages when we come: how many of them are over nobody says. */
static __always_inline void begin_within(struct task_struct *task, struct call *call)
{
	struct messages_state *at = bpf_task_storage_get(&messages, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!at)
		return;
	at->socket = 0;
	at->buffer = call->buffer;
	at->stack = call->stack;
	at->count = call->count;
	at->number = call->number;
	at->next = UNKNOWN_MESSAGE;
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
	copy->name = (__u64)message.msg_name;
	copy->vectors = message.msg_iovlen < 1024 ? message.msg_iovlen : 1024;
	return LOSS_NONE;
}

/*
 * Finds the user buffer, behind every guard there is: the tracepoint says that bytes moved, the registers say what the
 * thread asked for, and nothing but these checks says that the two belong together. An io_uring receive that completes
 * while the thread sits in read(pipe) would else pass the pipe's buffer off as the socket's.
 *
 * Two of them change no more than the reason that is told, as far as is known, and are kept for what is not:
 * PF_KTHREAD and PF_IO_WORKER, because such threads have ax = 0 on x86_64 (copy_thread) and would pass for being on
 * their way out of a call; on arm64 a worker whose parent was in a call on descriptor 0 would pass for being in it.
 * compat_call, because no 32-bit call that moves bytes has the number of one of call_shape's (i386: 3, 4, 102, 145, 146,
 * 337, 345, 369 to 372, 378, 379); it comes before the look at the number, which would tell them as calls without a
 * buffer. The tests of capture look at the reasons.
 */
static __always_inline int locate(struct task_struct *task, struct sock *sk, struct settings *set, __u32 size,
				  struct copy *copy)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct call call = {};

	call_arguments(&call, regs);
	call_shape(&call);
	copy->number = call.number;
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return LOSS_NO_BUFFER;
	/* Their numbers mean other calls. */
	if (compat_call(task))
		return LOSS_GUARDED;
	if (call.shape == SHAPE_NONE)
		return LOSS_NO_BUFFER;
	if (!call.entered || call.way != copy->way)
		return LOSS_GUARDED;
	if (call.shape == SHAPE_BUFFER && size > call.count)
		return LOSS_GUARDED;
	/*
	 * The kernel itself talks over a socket that a program has handed to it (network block devices, iSCSI), in the
	 * thread that writes to the device: what that thread writes is not what the socket sends.
	 */
	if (!sk->sk_use_task_frag)
		return LOSS_NO_BUFFER;

	copy->vectors = 0;
	copy->piece = 0;
	copy->name = 0;
	if (call.shape == SHAPE_BUFFER) {
		copy->base = call.buffer;
		copy->piece = copy->left;
		copy->name = call.number == SENDTO ? call.fifth : 0;
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
	if (call.way == WAY_RECEIVED && call.fifth)
		return LOSS_GUARDED;
	if (!(set->flags & KNOW_MESSAGES))
		return LOSS_GUARDED;
	if (message_index(task, &call, copy->socket, &index))
		return LOSS_GUARDED;
	int failed = locate_message(copy, call.buffer + (__u64)index * sizeof(struct mmsghdr));
	if (failed || call.way == WAY_RECEIVED)
		return failed;
	return check_whole(task, copy, size);
}

/*
 * Nothing moved. An empty message is one of its call like any other; a receive that asked for nothing is no end of the
 * stream.
 */
static __always_inline bool asked_for_something(struct task_struct *task, __u64 socket, __u8 way)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct call call = {};
	__u32 index;

	call_arguments(&call, regs);
	call_shape(&call);
	if (!call.entered || call.way != way)
		return true;
	if (call.shape == SHAPE_MESSAGES)
		message_index(task, &call, socket, &index);
	return call.shape != SHAPE_BUFFER || call.count;
}

#endif
