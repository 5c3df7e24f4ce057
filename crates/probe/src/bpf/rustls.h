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
 *
 * Versions 0.20 to 0.22 have both inlined in optimised programs. What stays of them is called by a table of functions, so
 * that nothing can be inlined and no argument be left out, and one of those that take what is to be sent:
 *
 *	fn ExpectTraffic::handle(self: Box<Self>, cx: &mut Context, m: Message) -> Result<Box<dyn State>, Error>
 *	fn send_some_plaintext(&mut self, data: &[u8]) -> usize
 *	fn send_plain(&mut self, data: &[u8], limit: Limit) -> usize
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

/* Where the result is longer than two words, x86_64 passes the place for it before all arguments, and aarch64 elsewhere. */
#if defined(__TARGET_ARCH_x86)
#define RUSTLS_CONTEXT(context) ARGUMENT_3(context)
#define RUSTLS_MESSAGE(context) ARGUMENT_4(context)
#elif defined(__TARGET_ARCH_arm64)
#define RUSTLS_CONTEXT(context) ARGUMENT_2(context)
#define RUSTLS_MESSAGE(context) ARGUMENT_3(context)
#endif

/* A slice after a zero, or slices, of which the bytes between two bounds are meant. */
struct rustls_chunks {
	__u64 vectors;
	__u64 count;
	__u64 from;
	__u64 to;
};

/* Of `Message`: which kind of payload it has, and a `Vec` in case it is what programs say to each other. */
struct rustls_message {
	__u64 kind;
	struct rustls_payload payload;
};

/* The connection, and what it keeps beside. */
struct rustls_context {
	__u64 state;
	__u64 data;
};

/* Of the kinds of payload, the fourth is what programs say; compilers since 1.77 set the highest bit, too. */
#define RUSTLS_APPLICATION_DATA 3
/* A record is decrypted where it is: its tag stays behind its plaintext (RFC 8446 section 5.2). */
#define RUSTLS_TAG 16

/*
 * The session at this address. What accepts connections has them on its stack while it does, one after the other at one
 * address. A thread gives what it received to the session at once, so that another socket shows another connection.
 */
static __always_inline struct tls_session *rustls_session(struct tls_key *key)
{
	struct tls_call call = { .session = key->session, .moves = 1 };
	struct tls_call *thread = bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct tls_session *session = tls_session_of(&call, key);
	__u64 read = thread ? thread->read : 0;

	if (session && read && session->read != read && session->moved[WAY_RECEIVED])
		session = tls_begin(key, true);
	if (session)
		session->read = read;
	return session;
}

/* The connection got these bytes. */
static __always_inline void rustls_got(struct settings *set, struct tls_key *key, __u64 base, __u64 length)
{
	struct copy copy = { .base = base };
	struct tls_session *session = rustls_session(key);

	if (!session)
		return;
	verdict_of(&session->verdict, &session->epoch, set, session->number);
	if (session->verdict != VERDICT_IGNORE)
		tls_tell(session, set, &copy, length, WAY_RECEIVED);
}

SEC("uprobe")
int rustls_received(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	struct tls_key key = { .session = ARGUMENT_1(ctx), .tgid = bpf_get_current_task_btf()->tgid };
	struct rustls_payload payload;

	if (!set || !process_wanted(key.tgid, set))
		return 0;
	if (bpf_probe_read_user(&payload, sizeof(payload), (void *)ARGUMENT_2(ctx))) {
		lose(LOSS_FAULT, 0);
		return 0;
	}
	__u64 base = payload.word[1] > RUSTLS_LONGEST ? payload.word[1] : payload.word[0];
	if (!payload.length)
		return 0;
	if (payload.length > RUSTLS_LONGEST || base <= RUSTLS_LONGEST) {
		lose(LOSS_GUARDED, 0);
		return 0;
	}
	rustls_got(set, &key, base, payload.length);
	return 0;
}

/* What comes by the same way and is for the library itself (tickets, new keys) is of another kind, and no record's rest. */
SEC("uprobe")
int rustls_traffic(struct pt_regs *ctx)
{
	struct settings *set = get_settings();
	struct tls_key key = { .tgid = bpf_get_current_task_btf()->tgid };
	struct rustls_message message;
	struct rustls_context context;

	if (!set || !process_wanted(key.tgid, set))
		return 0;
	if (bpf_probe_read_user(&message, sizeof(message), (void *)RUSTLS_MESSAGE(ctx)) ||
	    bpf_probe_read_user(&context, sizeof(context), (void *)RUSTLS_CONTEXT(ctx))) {
		lose(LOSS_FAULT, 0);
		return 0;
	}
	struct rustls_payload *payload = &message.payload;
	bool address_second = payload->word[1] > RUSTLS_LONGEST;
	__u64 base = payload->word[address_second], capacity = payload->word[!address_second];
	if ((message.kind & 0xff) != RUSTLS_APPLICATION_DATA || !payload->length)
		return 0;
	if (capacity > RUSTLS_LONGEST || base <= RUSTLS_LONGEST || payload->length > capacity ||
	    capacity - payload->length < RUSTLS_TAG) {
		lose(LOSS_GUARDED, 0);
		return 0;
	}
	key.session = context.state;
	rustls_got(set, &key, base, payload->length);
	return 0;
}

SEC("uprobe")
int rustls_send_slice(struct pt_regs *ctx)
{
	struct tls_call *call = tls_entered(ctx, TLS_WRITE);

	if (call)
		call->moves = 1;
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
