/* SPDX-License-Identifier: Dual MIT/GPL */
/* The calls that move bytes of sockets, and what their arguments say. */
#ifndef OVERHEAR_SYSCALLS_CALL_H
#define OVERHEAR_SYSCALLS_CALL_H

#include "maps.h"
#include "../syscall.h"

/* Beside those of enum shape. */
enum {
	SHAPE_UNBUFFERED = 16,      /* sendfile(out, …): the bytes are in no buffer */
	SHAPE_SPLICE = 17,          /* splice(in, …, out, …) */
	SHAPE_FOREIGN = 18,         /* a 32-bit call: how many bytes, no more */
	SHAPE_FOREIGN_MESSAGES = 19,
};

struct request {
	struct call call;
	__u32 descriptor;
	__u32 other; /* SPLICE: where to */
	__u32 flags; /* of the receive, where it takes any */
};

/* Size of a 32-bit struct mmsghdr. */
#define FOREIGN_MESSAGE 32

static __always_inline void foreign(struct request *request, __u8 shape, __u8 way, __u32 descriptor, __u32 flags)
{
	request->call.shape = shape;
	request->call.way = way;
	request->descriptor = descriptor;
	request->flags = flags;
}

#if defined(__TARGET_ARCH_x86)

static __always_inline bool in_compat_call(void)
{
	if (TYPED_TASK)
		return compat_call(bpf_get_current_task_btf());
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

/* socketcall: (which, arguments) of the numbers in linux/net.h. */
static __always_inline void foreign_socketcall(struct request *request, __u64 which, __u64 arguments)
{
	__u32 list[4] = {};
	if (bpf_probe_read_user(list, sizeof(list), (void *)(arguments & 0xffffffff)))
		return;
	switch (which) {
	case 9:  /* send */
	case 11: /* sendto */
	case 16: /* sendmsg */
		foreign(request, SHAPE_FOREIGN, WAY_SENT, list[0], 0);
		break;
	case 10: /* recv */
	case 12: /* recvfrom */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, list[0], list[3]);
		break;
	case 17: /* recvmsg */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, list[0], list[2]);
		break;
	}
}

/* The numbers of i386. */
static __always_inline bool foreign_number(__u32 number)
{
	switch (number) {
	case 3: case 4: case 102: case 145: case 146: case 187: case 239: case 337: case 345:
	case 369: case 370: case 371: case 372: case 378: case 379:
		return true;
	}
	return false;
}

static __always_inline void foreign_call(struct request *request, struct pt_regs *native)
{
	struct pt_regs___32 *regs = (struct pt_regs___32 *)native;
	__u32 descriptor = regs->bx;

	request->call.shape = SHAPE_NONE;
	switch (request->call.number) {
	case 4:   /* write */
	case 146: /* writev */
	case 187: /* sendfile */
	case 239: /* sendfile64 */
	case 369: /* sendto */
	case 370: /* sendmsg */
	case 379: /* pwritev2 */
		foreign(request, SHAPE_FOREIGN, WAY_SENT, descriptor, 0);
		break;
	case 3:   /* read */
	case 145: /* readv */
	case 378: /* preadv2 */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, descriptor, 0);
		break;
	case 371: /* recvfrom */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, descriptor, regs->si);
		break;
	case 372: /* recvmsg */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, descriptor, regs->dx);
		break;
	case 345: /* sendmmsg */
		foreign(request, SHAPE_FOREIGN_MESSAGES, WAY_SENT, descriptor, 0);
		request->call.buffer = regs->cx & 0xffffffff;
		break;
	case 337: /* recvmmsg */
		foreign(request, SHAPE_FOREIGN_MESSAGES, WAY_RECEIVED, descriptor, regs->si);
		request->call.buffer = regs->cx & 0xffffffff;
		break;
	case 102:
		foreign_socketcall(request, regs->bx, regs->cx);
		break;
	}
}

static __always_inline void native_call(struct request *request, struct pt_regs *regs)
{
	request->descriptor = regs->di;
	switch (request->call.number) {
	case 40: /* sendfile */
		request->call.shape = SHAPE_UNBUFFERED;
		break;
	case 275: /* splice */
		request->call.shape = SHAPE_SPLICE;
		request->call.way = WAY_RECEIVED;
		request->other = regs->dx;
		break;
	case 45:  /* recvfrom */
	case 299: /* recvmmsg */
		request->flags = regs->r10;
		break;
	case 47: /* recvmsg */
		request->flags = regs->dx;
		break;
	}
}

static __always_inline bool native_number(struct call *call)
{
	return call->shape != SHAPE_NONE || call->number == 40 || call->number == 275;
}

#elif defined(__TARGET_ARCH_arm64)

static __always_inline bool in_compat_call(void)
{
	if (TYPED_TASK)
		return compat_call(bpf_get_current_task_btf());
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, thread_info.flags) & (1UL << TIF_32BIT);
}

/* The numbers of 32-bit ARM. */
static __always_inline bool foreign_number(__u32 number)
{
	switch (number) {
	case 3: case 4: case 145: case 146: case 187: case 239: case 289: case 290: case 291: case 292:
	case 296: case 297: case 365: case 374: case 392: case 393:
		return true;
	}
	return false;
}

static __always_inline void foreign_call(struct request *request, struct pt_regs *regs)
{
	__u32 descriptor = regs->orig_x0;

	request->call.shape = SHAPE_NONE;
	switch (request->call.number) {
	case 4:   /* write */
	case 146: /* writev */
	case 187: /* sendfile */
	case 239: /* sendfile64 */
	case 289: /* send */
	case 290: /* sendto */
	case 296: /* sendmsg */
	case 393: /* pwritev2 */
		foreign(request, SHAPE_FOREIGN, WAY_SENT, descriptor, 0);
		break;
	case 3:   /* read */
	case 145: /* readv */
	case 392: /* preadv2 */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, descriptor, 0);
		break;
	case 291: /* recv */
	case 292: /* recvfrom */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, descriptor, regs->regs[3]);
		break;
	case 297: /* recvmsg */
		foreign(request, SHAPE_FOREIGN, WAY_RECEIVED, descriptor, regs->regs[2]);
		break;
	case 374: /* sendmmsg */
		foreign(request, SHAPE_FOREIGN_MESSAGES, WAY_SENT, descriptor, 0);
		request->call.buffer = regs->regs[1] & 0xffffffff;
		break;
	case 365: /* recvmmsg */
		foreign(request, SHAPE_FOREIGN_MESSAGES, WAY_RECEIVED, descriptor, regs->regs[3]);
		request->call.buffer = regs->regs[1] & 0xffffffff;
		break;
	}
}

static __always_inline void native_call(struct request *request, struct pt_regs *regs)
{
	request->descriptor = regs->orig_x0;
	switch (request->call.number) {
	case 71: /* sendfile */
		request->call.shape = SHAPE_UNBUFFERED;
		break;
	case 76: /* splice */
		request->call.shape = SHAPE_SPLICE;
		request->call.way = WAY_RECEIVED;
		request->other = regs->regs[2];
		break;
	case 207: /* recvfrom */
	case 243: /* recvmmsg */
		request->flags = regs->regs[3];
		break;
	case 212: /* recvmsg */
		request->flags = regs->regs[2];
		break;
	}
}

static __always_inline bool native_number(struct call *call)
{
	return call->shape != SHAPE_NONE || call->number == 71 || call->number == 76;
}

#endif

/* Says whether it may be a call that moves bytes of a socket: by its number, which is enough for nearly all others. */
static __always_inline bool may_move(struct request *request, struct pt_regs *regs)
{
	call_arguments(&request->call, regs);
	call_shape(&request->call);
	return native_number(&request->call) || foreign_number(request->call.number);
}

/* Says whether it is one. The arguments are still there when the call has ended. */
static __always_inline bool understand(struct request *request, struct pt_regs *regs)
{
	if (in_compat_call())
		foreign_call(request, regs);
	else if (native_number(&request->call))
		native_call(request, regs);
	return request->call.shape != SHAPE_NONE;
}

#endif
