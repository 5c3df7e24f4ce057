/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * What this plan alone looks into. A name's end, from ___ on, is ours: CO-RE takes the kernel's type before it.
 */
#ifndef OVERHEAR_SYSCALLS_KERNEL_H
#define OVERHEAR_SYSCALLS_KERNEL_H

#include "../kernel.h"

enum { BPF_NOEXIST = 1 };
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
enum { MSG_TRUNC = 0x20, MSG_ERRQUEUE = 0x2000 };
enum { EFAULT = 14 };

/* The helper came with 5.11; before it, threads are read like any other memory. */
enum bpf_func_id___task {
	BPF_FUNC_get_current_task_btf___task = 158,
};
#define TYPED_TASK bpf_core_enum_value_exists(enum bpf_func_id___task, BPF_FUNC_get_current_task_btf___task)

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} CORE;

struct files_struct {
	atomic_t count; /* threads and processes that share it */
	struct fdtable *fdt;
} CORE;

struct task_struct___files {
	struct files_struct *files;
} CORE;

struct file___socket {
	struct inode *f_inode;
	void *private_data; /* of a socket's file: struct socket */
} CORE;

struct inode___mode {
	unsigned short i_mode;
} CORE;

#if defined(__TARGET_ARCH_x86)
/* Arguments of 32-bit calls. */
struct pt_regs___32 {
	unsigned long bx;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
} CORE;
#endif

#endif
