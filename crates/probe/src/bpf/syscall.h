/* SPDX-License-Identifier: Dual MIT/GPL */
/* The system call the current thread is in, and where its user buffer is. */
#ifndef OVERHEAR_SYSCALL_H
#define OVERHEAR_SYSCALL_H

#ifndef LOOKED_AT_ONCE
#define LOOKED_AT_ONCE static __always_inline
#endif

enum shape {
	SHAPE_NONE,     /* not a call whose buffer we can read */
	SHAPE_BUFFER,   /* (fd, buf, count, …) */
	SHAPE_IOVEC,    /* (fd, iov, iovcnt, …) */
	SHAPE_MESSAGE,  /* (fd, msghdr, …) */
	SHAPE_MESSAGES, /* (fd, mmsghdr, vlen, flags, timeout) */
};

struct call {
	__u64 buffer;  /* second argument */
	__u64 count;   /* third argument */
	__u64 fifth;   /* argument: the time limit of recvmmsg, the address of sendto */
	__u64 stack;   /* user stack pointer */
	__u32 number;
	__u8 shape;
	__u8 way;
	bool entered; /* the thread is inside the call, not on its way out or elsewhere */
};

#if defined(__TARGET_ARCH_x86)

#define SPLICE 275
#define SENDTO 44

/* TS_COMPAT of arch/x86/include/asm/thread_info.h: the thread is in a 32-bit call. */
#define TS_COMPAT 2

static __always_inline bool compat_call(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

static __always_inline __u32 call_number(struct pt_regs *regs)
{
	return regs->orig_ax;
}

static __always_inline void call_arguments(struct call *call, struct pt_regs *regs)
{
	call->number = call_number(regs);
	call->buffer = regs->si;
	call->count = regs->dx;
	call->fifth = regs->r8;
	call->stack = regs->sp;
	/* The entry code leaves -ENOSYS there until the call returns. */
	call->entered = (long)regs->ax == -ENOSYS;
}

/* Else the verifier goes on from each of these numbers. */
LOOKED_AT_ONCE int call_shape(struct call *call)
{
	if (!call)
		return 0;
	call->shape = SHAPE_NONE;
	call->way = WAY_SENT;
	switch (call->number) {
	case 1:  /* write */
	case SENDTO:
		call->shape = SHAPE_BUFFER;
		break;
	case 0:  /* read */
	case 45: /* recvfrom */
		call->shape = SHAPE_BUFFER;
		call->way = WAY_RECEIVED;
		break;
	case 20:  /* writev */
	case 328: /* pwritev2 */
		call->shape = SHAPE_IOVEC;
		break;
	case 19:  /* readv */
	case 327: /* preadv2 */
		call->shape = SHAPE_IOVEC;
		call->way = WAY_RECEIVED;
		break;
	case 46: /* sendmsg */
		call->shape = SHAPE_MESSAGE;
		break;
	case 47: /* recvmsg */
		call->shape = SHAPE_MESSAGE;
		call->way = WAY_RECEIVED;
		break;
	case 307: /* sendmmsg */
		call->shape = SHAPE_MESSAGES;
		break;
	case 299: /* recvmmsg */
		call->shape = SHAPE_MESSAGES;
		call->way = WAY_RECEIVED;
		break;
	}
	return 0;
}

#elif defined(__TARGET_ARCH_arm64)

#define SPLICE 76
#define SENDTO 206

/* TIF_32BIT of arch/arm64/include/asm/thread_info.h. */
#define TIF_32BIT 22

static __always_inline bool compat_call(struct task_struct *task)
{
	return task->thread_info.flags & (1UL << TIF_32BIT);
}

static __always_inline __u32 call_number(struct pt_regs *regs)
{
	return regs->syscallno;
}

static __always_inline void call_arguments(struct call *call, struct pt_regs *regs)
{
	call->number = call_number(regs);
	call->buffer = regs->regs[1];
	call->count = regs->regs[2];
	call->fifth = regs->regs[4];
	call->stack = regs->sp;
	/* x0 holds the first argument until the result replaces it. Weaker than on x86: they may be equal. */
	call->entered = regs->regs[0] == regs->orig_x0;
}

/* Else the verifier goes on from each of these numbers. */
LOOKED_AT_ONCE int call_shape(struct call *call)
{
	if (!call)
		return 0;
	call->shape = SHAPE_NONE;
	call->way = WAY_SENT;
	switch (call->number) {
	case 64:  /* write */
	case SENDTO:
		call->shape = SHAPE_BUFFER;
		break;
	case 63:  /* read */
	case 207: /* recvfrom */
		call->shape = SHAPE_BUFFER;
		call->way = WAY_RECEIVED;
		break;
	case 66:  /* writev */
	case 287: /* pwritev2 */
		call->shape = SHAPE_IOVEC;
		break;
	case 65:  /* readv */
	case 286: /* preadv2 */
		call->shape = SHAPE_IOVEC;
		call->way = WAY_RECEIVED;
		break;
	case 211: /* sendmsg */
		call->shape = SHAPE_MESSAGE;
		break;
	case 212: /* recvmsg */
		call->shape = SHAPE_MESSAGE;
		call->way = WAY_RECEIVED;
		break;
	case 269: /* sendmmsg */
		call->shape = SHAPE_MESSAGES;
		break;
	case 243: /* recvmmsg */
		call->shape = SHAPE_MESSAGES;
		call->way = WAY_RECEIVED;
		break;
	}
	return 0;
}

#endif
#endif
