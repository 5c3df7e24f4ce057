/* SPDX-License-Identifier: Dual MIT/GPL */
/* Which sockets are those of resolvers, and where in user memory their answers are. */
#ifndef OVERHEAR_RESOLVE_H
#define OVERHEAR_RESOLVE_H

#include "answer.h"
#include "identity.h"
#include "locate.h"

/* Sockets that are connected to one, as those of resolvers are. */
static __always_inline bool is_name_server(struct sock *sk)
{
	return sk->__sk_common.skc_dport == bpf_htons(NAME_SERVER) && is_udp(sk);
}

/*
 * Behind the same filters and guards as everything else that is copied. What cannot be read is no loss: it was nobody's
 * exchange. A message that does not fit is not told, since what is cut is no message.
 */
static __noinline int on_answer(struct sock *sk, int ret, int flags, struct settings *set)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct copy copy = { .way = WAY_RECEIVED, .socket = bpf_get_socket_cookie(sk) };

	if (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE) || !port_wanted(sk, set) || !process_wanted(task->tgid, set))
		return 0;
	if (ret > ANSWER || locate(task, sk, set, ret, &copy))
		return 0;
	if (copy.vectors)
		copy.base = in_first_vector(copy.vector, ret);
	if (copy.base)
		emit_answer(copy.base, ret);
	return 0;
}

#endif
