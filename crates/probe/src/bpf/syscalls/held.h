/* SPDX-License-Identifier: Dual MIT/GPL */
/* From a descriptor of the current thread to the socket behind it. */
#ifndef OVERHEAR_SYSCALLS_HELD_H
#define OVERHEAR_SYSCALLS_HELD_H

#include "maps.h"

/* The socket of a file, if it is a socket's. What a descriptor opened with O_PATH names may be one, too, and has none. */
static __always_inline bool socket_of(__u64 address, struct held *held)
{
	struct file___socket *file = (struct file___socket *)address;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct inode___mode *mode = (struct inode___mode *)inode;

	if ((BPF_CORE_READ(mode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	if ((__u64)BPF_CORE_READ(socket, file) != address)
		return false;
	held->inode = BPF_CORE_READ(inode, i_ino);
	held->sk = (__u64)BPF_CORE_READ(socket, sk);
	return held->sk != 0;
}

/* The open files of the current thread; whether others have the same table. */
struct files {
	struct file **list;
	__u32 count;
	bool shared;
};

static __always_inline bool open_files(struct files *open)
{
	if (TYPED_TASK) {
		struct task_struct___files *task = (struct task_struct___files *)bpf_get_current_task_btf();
		struct files_struct *files = task->files;
		if (!files)
			return false;
		open->shared = files->count.counter > 1;
		struct fdtable *table = files->fdt;
		if (!table)
			return false;
		open->count = table->max_fds;
		open->list = table->fd;
		return true;
	}
	struct task_struct___files *task = (struct task_struct___files *)bpf_get_current_task();
	struct files_struct *files = BPF_CORE_READ(task, files);
	open->shared = BPF_CORE_READ(files, count.counter) > 1;
	struct fdtable *table = BPF_CORE_READ(files, fdt);
	open->count = BPF_CORE_READ(table, max_fds);
	open->list = BPF_CORE_READ(table, fd);
	return true;
}

static __always_inline bool socket_at(struct files *open, __u32 descriptor, struct held *held)
{
	__u64 file = 0;

	if (descriptor >= open->count)
		return false;
	if (bpf_probe_read_kernel(&file, sizeof(file), open->list + descriptor) || !file)
		return false;
	return socket_of(file, held);
}

static __always_inline __u64 inode_of(__u64 address)
{
	struct sock *sk = (struct sock *)address;
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	if (!socket)
		return 0;
	struct file *file = BPF_CORE_READ(socket, file);
	return file ? BPF_CORE_READ(file, f_inode, i_ino) : 0;
}

#endif
