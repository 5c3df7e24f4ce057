/* SPDX-License-Identifier: Dual MIT/GPL */
/* What name servers answer: so that addresses have the names that programs asked for. */
#ifndef OVERHEAR_ANSWER_H
#define OVERHEAR_ANSWER_H

#include "identity.h"
#include "locate.h"

#define NAME_SERVER 53
/* As much as resolvers take by UDP: 1232 by agreement (RFC 9715), 2048 in glibc's buffer. */
#define ANSWER 2048

/* Sockets that are connected to one, as those of resolvers are. */
static __always_inline bool is_name_server(struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;
	return sk->__sk_common.skc_dport == bpf_htons(NAME_SERVER) && (family == AF_INET || family == AF_INET6) &&
	       sk->sk_protocol == IPPROTO_UDP;
}

static __always_inline void emit_answer(__u64 base, __u32 n)
{
	struct answer {
		struct record head;
		__u8 message[ANSWER];
	} *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		lose(LOSS_RING_FULL, n);
		return;
	}
	fill(&record->head, RECORD_ANSWER, 0);
	record->head.way = WAY_RECEIVED;
	record->head.size = record->head.length = n;
	asm volatile("" : "+r"(n));
	if (n > ANSWER)
		n = ANSWER;
	if (bpf_probe_read_user(record->message, n, (void *)base)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return;
	}
	submit(&record->head);
}

/*
 * Behind the same filters and guards as everything else that is copied. What cannot be read is no loss: it was nobody's
 * exchange. A message that does not fit is not told, since what is cut is no message.
 */
static __always_inline void on_answer(struct sock *sk, int ret, int flags, struct settings *set)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct copy copy = { .way = WAY_RECEIVED, .socket = bpf_get_socket_cookie(sk) };

	if (flags & (MSG_PEEK | MSG_OOB) || !port_wanted(sk, set) || !process_wanted(task->tgid, set))
		return;
	if (ret > ANSWER || locate(task, sk, ret, &copy))
		return;
	if (!copy.piece) {
		struct iovec vector;
		if (!copy.vectors || bpf_probe_read_user(&vector, sizeof(vector), (void *)copy.vector))
			return;
		copy.base = (__u64)vector.iov_base;
		if (vector.iov_len < ret)
			return;
	}
	emit_answer(copy.base, ret);
}

#endif
