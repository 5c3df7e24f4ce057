/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * Plaintext of programs with rustls inside. It never touches a socket: its program gives it ciphertext and takes it. Two
 * functions are not inlined, whatever a program is built with, and both begin with the connection's `CommonState`:
 *
 *	fn take_received_plaintext(&mut self, bytes: Payload)
 *	fn send_appdata_encrypt(&mut self, payload: OutboundChunks, limit: Limit, ...) -> usize
 *
 * It is part of the connection, which Rust moves as it likes; programs do so after the handshake. Then it has another
 * address, and is another session until user space sees that it has the same socket.
 *
 * What is longer than two words is passed by its address. The places of fields are the compiler's choice, so what is read
 * is checked for being what it is taken for.
 */
#ifndef OVERHEAR_RUSTLS_H
#define OVERHEAR_RUSTLS_H

#include "tls.h"

/* No record is as long (RFC 8446 section 5.2), and no memory is as low. */
#define RUSTLS_LONGEST (1 << 20)

/*
 * A `Vec`, as capacity, address and length, or by older compilers address, capacity and length; or a borrowed slice after
 * a word that no capacity and no address is.
 */
struct rustls_payload {
	__u64 word[2];
	__u64 length;
};

/* A slice after a zero, or slices, of which the bytes between two bounds are meant. */
struct rustls_chunks {
	__u64 vectors;
	__u64 count;
	__u64 from;
	__u64 to;
};

SEC("uprobe")
int rustls_received(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	struct tls_key key = { .session = ARGUMENT_1(ctx), .tgid = bpf_get_current_task_btf()->tgid };
	struct tls_call call = { .session = key.session, .moves = 1 };
	struct rustls_payload payload;
	struct copy copy = {};

	if (!set || !process_wanted(key.tgid, set))
		return 0;
	if (bpf_probe_read_user(&payload, sizeof(payload), (void *)ARGUMENT_2(ctx))) {
		lose(LOSS_FAULT, 0);
		return 0;
	}
	copy.base = payload.word[1] > RUSTLS_LONGEST ? payload.word[1] : payload.word[0];
	if (!payload.length)
		return 0;
	if (payload.length > RUSTLS_LONGEST || copy.base <= RUSTLS_LONGEST) {
		lose(LOSS_GUARDED, 0);
		return 0;
	}
	struct tls_session *session = tls_session_of(&call, &key);
	if (!session)
		return 0;
	verdict_of(&session->verdict, &session->epoch, set, session->number);
	if (session->verdict != VERDICT_IGNORE)
		tls_tell(session, set, &copy, payload.length, WAY_RECEIVED);
	return 0;
}

/* Before rustls 0.23 the payload is a slice, in two registers, and what follows is the limit: it is no length but 0 or 1. */
SEC("uprobe")
int rustls_send(struct pt_regs *ctx)
{
	struct rustls_chunks chunks;
	struct tls_call *call = tls_entered(ctx, TLS_WRITE);

	if (!call)
		return 0;
	call->moves = 1;
	if (ARGUMENT_3(ctx) > 1)
		return 0;
	if (bpf_probe_read_user(&chunks, sizeof(chunks), (void *)ARGUMENT_2(ctx))) {
		call->kind = TLS_NONE;
		lose(LOSS_FAULT, 0);
		return 0;
	}
	if (chunks.vectors) {
		call->kind = TLS_WRITE_VECTORS;
		call->buffer = chunks.vectors;
		call->length = chunks.count;
		call->moved = chunks.from;
	} else {
		call->buffer = chunks.count;
		call->length = chunks.from;
	}
	return 0;
}

#endif
