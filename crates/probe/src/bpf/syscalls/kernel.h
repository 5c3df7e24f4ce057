/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * What this plan alone looks into. A name's end, from ___ on, is ours: CO-RE takes the kernel's type before it.
 */
#ifndef OVERHEAR_SYSCALLS_KERNEL_H
#define OVERHEAR_SYSCALLS_KERNEL_H

#include "../kernel.h"

enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };

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

struct sock_common___protocol {
	void *skc_prot;
} CORE;

struct sock___protocol {
	struct sock_common___protocol __sk_common;
} CORE;

/* A request of io_uring, and its result: since 5.19. */
struct io_cqe {
	__s32 res;
} CORE;

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	struct io_cqe cqe;
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
