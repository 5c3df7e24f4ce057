// SPDX-License-Identifier: Dual MIT/GPL
/*
 * Hears every stream socket of the machine, and what QUIC moves, through two tracepoints that fire in the calling thread
 * after each send and receive, and on nothing else. Kernel 6.3 and later. No bpf_probe_read_kernel: typed loads only, so that it also
 * runs under lockdown=confidentiality.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* A global function is verified by itself, and once. Before 5.13 it takes no pointers. */
#define LOOKED_AT_ONCE __noinline

#include "record.h"
#include "syscall.h"
#include "maps.h"
#include "ring.h"
#include "identity.h"
#include "locate.h"
#include "copy.h"
#include "allow.h"
#include "counted.h"
#include "packets.h"
#include "spliced.h"
#include "tally.h"
#include "resolve.h"
#include "quic.h"
#include "tls.h"
#include "go.h"
#include "rustls.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* --- bytes that moved ---------------------------------------------------------------------------------------- */

static __always_inline void failed(struct settings *set, struct socket_state *state, __u64 cookie, __u8 way, int error)
{
	if (error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ECONNABORTED)
		emit_plain(RECORD_ERROR, cookie, way, error);
}

/* Up to `end` it was not copied: whether it comes by packets, or is to. `copied`: packets were, before the call was looked at. */
static __always_inline void gap(struct sock *sk, struct socket_state *state, struct settings *set, struct copy *copy,
				__u8 way, bool copied, __u64 end)
{
	bool in_no_buffer = copy->loss == LOSS_NO_BUFFER || copy->loss == LOSS_GUARDED;
	bool may_come = in_no_buffer && may_come_by_packets(sk, state, set, way, end);
	copy->comes = may_come && comes_by_packets(state, set, way, copied);
	emit_gap(copy, end - copy->offset, copy->loss);
	if (may_come)
		want_packets(sk, state, set, copy->socket, way);
}

static __always_inline int on_stream(struct sock *sk, int ret, int flags, __u8 way, struct settings *set)
{
	/* Urgent bytes and what the kernel says of earlier sends are beside the stream. */
	if (way == WAY_RECEIVED && flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_call *thread = tls_thread(task, set);
	struct tls_call *call = thread && thread->kind ? thread : NULL;
	bool receives = thread && ret > 0 && way == WAY_RECEIVED;
	if (receives)
		thread->read = 0;
	if (!port_wanted(sk, set)) {
		if (call && is_tcp(sk))
			call->unwanted = 1;
		return 0;
	}
	if (!process_wanted(task->tgid, set))
		return 0;
	if (ret < 0)
		forget_messages(task);
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return 0;
	/* The kernel's own sockets (NFS, network block devices): no program's API. */
	if (!state->has_file && !(state->has_file = inode_of(sk) != 0))
		return 0;
	if (!state->cookie)
		state->cookie = bpf_get_socket_cookie(sk);
	__u64 cookie = state->cookie;
	if (receives)
		thread->read = cookie;
	list_file(task, state, set);
	bool sealed = ret > 0 && call && tls_carries(call, sk, state, cookie, way);
	__u8 verdict = verdict_of(&state->verdict, &state->epoch, set, cookie);
	if (verdict == VERDICT_IGNORE) {
		count_no_more(state);
		return 0;
	}
	if (ret > 0 && is_tcp(sk)) {
		if (!state->counted[way])
			count_from_here(sk, state, way, ret);
		state->room[way == WAY_SENT ? WAY_RECEIVED : WAY_SENT] = 0;
	}

	count_heard(ret);
	if (ret < 0) {
		if (state->announced)
			failed(set, state, cookie, way, -ret);
		return 0;
	}
	bool copied = packets_are_copied(state, way);
	bool announced = introduce(sk, state, set, cookie, !(task->flags & PF_KTHREAD));
	if (!state->owned)
		state->owned = speaks(task->tgid);
	if (ret == 0) {
		/* Nothing received is the end of the stream; nothing sent is nothing. */
		bool asked = asked_for_something(task, cookie, way);
		if (way == WAY_RECEIVED && announced && asked)
			emit_plain(RECORD_END, cookie, way, 0);
		return 0;
	}

	if (sealed || state->sealed || verdict == VERDICT_CARRIES)
		return 0;
	__u32 size = ret;
	__u8 over;
	if (verdict == VERDICT_TALLY) {
		tally(state->moved, state->tallied, cookie, way, size);
		return 0;
	}
	struct copy copy = {
		.socket = cookie,
		.offset = __sync_fetch_and_add(&state->moved[way], size),
		.way = way,
	};
	if (!announced) {
		lose(LOSS_RING_FULL, size);
		return 0;
	}
	if (verdict == VERDICT_SEALED) {
		emit_sealed(&copy, size);
		return 0;
	}
	copy.left = allowance(&state->copied[way], set, verdict, size, &over);
	__u64 end = copy.offset + size;
	/* Thrown away by TCP: what is in the buffer is not the socket's. */
	bool dropped = way == WAY_RECEIVED && flags & MSG_TRUNC && is_tcp(sk);
	copy.loss = dropped ? LOSS_NO_BUFFER : locate(task, sk, set, size, &copy);
	if (!copy.loss) {
		if (copy.left)
			copy_all(&copy);
		if (copy.offset == end) {
			without_packets(state, way);
			return 0;
		}
		if (!copy.loss)
			copy.loss = copy.left ? LOSS_GUARDED : over;
	}
	gap(sk, state, set, &copy, way, copied, end);
	return 0;
}

/*
 * Functions of their own, as on_answer and on_datagram are, so that the stacks of the three lie in one place: the kernel gives
 * 512 bytes to all calls that are open at once. One for each way, which is a constant in it.
 */
static __noinline int stream_sent(struct sock *sk, int ret, int flags, struct settings *set)
{
	return on_stream(sk, ret, flags, WAY_SENT, set);
}

static __noinline int stream_received(struct sock *sk, int ret, int flags, struct settings *set)
{
	return on_stream(sk, ret, flags, WAY_RECEIVED, set);
}

static __always_inline int on_moved(struct sock *sk, int ret, int flags, __u8 way)
{
	struct settings *set = get_settings();
	if (!set)
		return 0;
	if (is_tcp(sk) || is_unix_stream(sk))
		return way == WAY_SENT ? stream_sent(sk, ret, flags, set) : stream_received(sk, ret, flags, set);
	if (is_name_server(sk)) {
		if (way == WAY_RECEIVED && ret > 0)
			on_answer(sk, ret, flags, set);
	} else if (is_udp(sk)) {
		on_datagram(sk, ret, flags, way, set);
	}
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

SEC("tp_btf/tcp_rcv_space_adjust")
int sock_spliced(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	/* At every receive of the machine: it ends here, nearly always. */
	if (call_number((struct pt_regs *)bpf_task_pt_regs(task)) != SPLICE)
		return 0;
	struct settings *set = get_settings();
	if (set)
		on_spliced((struct sock *)ctx[0], set);
	return 0;
}

SEC("tp_btf/net_dev_queue")
int packet_leaves(__u64 *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx[0];
	return on_packet(skb->sk, skb, WAY_SENT);
}

SEC("tp_btf/tcp_probe")
int packet_comes(__u64 *ctx)
{
	return on_packet((struct sock *)ctx[0], (struct sk_buff *)ctx[1], WAY_RECEIVED);
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
	state->opened = bpf_ktime_get_ns();
	state->announced = 0;
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	state->connector = leader->tgid;
	__builtin_memcpy(state->comm, leader->comm, sizeof(state->comm));
}

/* Announced only now: before, it has no local port. */
static __always_inline void on_connected(struct sock *sk, struct settings *set)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!state)
		return;
	count_both_from_here(sk, state);
	introduce(sk, state, set, bpf_get_socket_cookie(sk), false);
}

static __always_inline void on_accepted(struct sock *sk, struct settings *set)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state)
		return;
	state->role = ROLE_SERVER;
	state->opened = bpf_ktime_get_ns();
	count_both_from_here(sk, state);
	/* Whose it will be is known when it is first used; that there is one is known now, before the client speaks. */
	if (!(set->flags & FILTER_PIDS))
		introduce(sk, state, set, bpf_get_socket_cookie(sk), false);
}

static __always_inline void on_closed(struct sock *sk, int before, struct settings *set)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (state)
		unlist_file(state);
	if (state && before == TCP_SYN_SENT)
		announce(sk, state, set, cookie, false);
	if (state && state->announced && state->verdict == VERDICT_TALLY)
		tally_all(state->moved, cookie);
	if (state && state->announced && state->verdict != VERDICT_IGNORE)
		emit_plain(RECORD_CLOSE, cookie, WAY_SENT, sk->sk_err);
	bpf_map_delete_elem(&verdicts, &cookie);
}

static __always_inline void on_sent_all(struct sock *sk, struct settings *set)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (state)
		unlist_file(state);
	if (state && state->announced && state->verdict != VERDICT_IGNORE)
		emit_plain(RECORD_END, bpf_get_socket_cookie(sk), WAY_SENT, 0);
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
	/* A new program may be one whose TLS is to be heard, before it speaks. */
	bool for_tls = set && set->flags & HEAR_TLS && process_wanted(tgid, set);
	if (!set || (!for_tls && !bpf_map_lookup_elem(&speakers, &tgid)))
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

SEC("iter/task")
int existing_calls(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct call call = {};

	if (!task || task->flags & (PF_KTHREAD | PF_IO_WORKER) || compat_call(task))
		return 0;
	call_arguments(&call, (struct pt_regs *)bpf_task_pt_regs(task));
	call_shape(&call);
	if (call.shape == SHAPE_MESSAGES && call.entered)
		begin_within(task, &call);
	return 0;
}
