/* SPDX-License-Identifier: Dual MIT/GPL */
/*
 * What the probes tell user space. One ABI: crates/probe/src/record.rs mirrors this file and asserts every size
 * and offset against the constants at its end. All integers are in host byte order; addresses and ports of
 * `struct open_record` are in network byte order, as the kernel keeps them. Nothing is packed: padding is explicit.
 */
#ifndef OVERHEAR_RECORD_H
#define OVERHEAR_RECORD_H

enum record_kind {
	RECORD_OPEN = 1,  /* a socket is first seen: struct open_record */
	RECORD_DATA = 2,  /* bytes moved: struct record, then `length` bytes of payload */
	RECORD_END = 3,   /* one direction is over: nothing follows in it */
	RECORD_CLOSE = 4, /* the socket is over; `size` is sk_err */
	RECORD_ERROR = 5, /* a send or receive failed; `size` is the errno */
	RECORD_EXEC = 6,  /* `tgid` is a new program now */
	RECORD_EXIT = 7,  /* `tgid` is gone */
	/*
	 * A TLS session is first seen, or the socket that carries it is: `socket` is the session, `offset` the socket's
	 * cookie (0 = not known), `size` 1 when its plaintext was heard from the beginning. Its plaintext then comes as DATA,
	 * its end as CLOSE.
	 */
	RECORD_TLS = 8,
	/*
	 * What this direction of the socket moves in no buffer comes by packets from now on. The next byte that it moves
	 * is at `offset`, and `size` is TCP's number of it.
	 */
	RECORD_BY_PACKETS = 13,
	/*
	 * A packet of the socket, not in the ring but as a perf event: struct record, then the first `length` of its `size`
	 * bytes. Its TCP header begins at `offset`.
	 */
	RECORD_PACKET = 14,
	RECORD_ANSWER = 10, /* a name server answered: struct record, then `length` bytes of its message; `socket` is 0 */
	/* The thread is done with a call into this session, whose socket is not known, that moved no plaintext. */
	RECORD_TLS_TOUCH = 9,
	/*
	 * A UDP socket speaks QUIC: struct open_record; `size` is 1 where it does so since it is heard. Said again for each
	 * entry of `datagrams` that is new.
	 */
	RECORD_QUIC = 11,
	/* A datagram of such a socket that opens a connection, or is the first to a peer: struct datagram_record. */
	RECORD_DATAGRAM = 12,
};

enum way { WAY_SENT = 0, WAY_RECEIVED = 1 };

/* Why payload bytes of a call were not copied. Index into the per-CPU loss counters. */
enum loss {
	LOSS_NONE = 0,
	LOSS_RING_FULL = 1,    /* no room in the ring buffer */
	LOSS_OVER_CAP = 2,     /* beyond settings.cap for one call */
	LOSS_NO_BUFFER = 3,    /* sendfile, splice, io_uring: the bytes are in no user buffer of this call */
	LOSS_GUARDED = 4,      /* the buffer might be another file's */
	LOSS_FAULT = 5,        /* reading user memory failed */
	LOSS_SHED = 6,         /* the ring is nearly full: heads only */
	LOSS_UNDECIDED = 7,    /* beyond what is copied before user space has judged the socket */
	LOSS_REASONS = 8,
};

enum role { ROLE_UNKNOWN = 0, ROLE_CLIENT = 1, ROLE_SERVER = 2 };

struct record {
	__u64 time;    /* CLOCK_MONOTONIC, nanoseconds */
	__u64 socket;  /* socket cookie; 0 for EXEC and EXIT */
	__u64 offset;  /* DATA: bytes moved in this direction of the socket before this record, since first seen */
	__u32 size;    /* DATA: bytes this record stands for, 0 where it only says how far it is; CLOSE, ERROR: errno */
	__u32 length;  /* payload bytes that follow; size - length of them are missing at the end */
	__u32 tgid;    /* process, initial pid namespace; 0 = not known */
	__u32 tid;     /* thread */
	__u8 kind;     /* enum record_kind */
	__u8 way;      /* enum way */
	__u8 loss;     /* enum loss, where length < size */
	__u8 comes;    /* DATA: what is missing comes by packets, or has come */
	__u32 syscall; /* DATA: the call's number, for diagnosis */
};

struct open_record {
	struct record head;
	__u64 inode;       /* of the socket's file, as in /proc; 0 = not accepted yet */
	__u64 peer_inode;  /* unix sockets: the other end's */
	__u32 netns;       /* inode number of the network namespace */
	__u16 family;      /* AF_UNIX 1, AF_INET 2, AF_INET6 10 */
	__u8 role;         /* enum role */
	__u8 reserved;
	__u16 local_port;  /* network byte order */
	__u16 remote_port; /* network byte order */
	__u32 reserved2;
	__u8 local[16];    /* network byte order; IPv4 in the first four */
	__u8 remote[16];
	char comm[16];     /* of the thread group's leader */
};

/* Where a datagram goes to. All zero where the socket has one peer, or it is not known. */
struct peer {
	__u16 family;
	__u16 port; /* network byte order */
	__u32 reserved;
	__u8 address[16]; /* network byte order; IPv4 in the first four */
};

struct datagram_record {
	struct record head; /* `size` bytes moved, the first `length` of them follow */
	struct peer peer;
};

/* What moved on a QUIC socket, to one peer where it has several: in the map `datagrams`. */
struct datagram_key {
	__u64 socket; /* cookie */
	struct peer peer; /* of what is sent without a connection; what is received is the socket's */
};

struct datagram_count {
	__u64 moved[2]; /* bytes per enum way */
	__u64 last;     /* when the last of them did, CLOCK_MONOTONIC */
};

struct exec_record {
	struct record head;
	char comm[16];
};

/* One socket that was there before us, written by the iterator. */
struct existing_record {
	__u64 socket; /* cookie */
	__u64 inode;
	__u64 peer_inode;
	__u32 tgid;
	__u32 fd;
	__u32 netns;
	__u16 family;
	__u8 state; /* TCP state: 1 established, 10 listening */
	__u8 type;  /* SOCK_STREAM 1 … */
	__u16 local_port;
	__u16 remote_port;
	__u32 reserved;
	__u8 local[16];
	__u8 remote[16];
};

enum verdict {
	VERDICT_ASK = 0,    /* not judged yet */
	VERDICT_FULL = 1,   /* copy up to the cap */
	VERDICT_HEAD = 2,   /* copy the beginning of each call */
	VERDICT_IGNORE = 3, /* nothing */
	VERDICT_SEALED = 4, /* encrypted: how much moved and in which thread, no bytes */
	VERDICT_CARRIES = 5, /* encrypted, and heard as plaintext: its end only */
	VERDICT_TALLY = 6,   /* encrypted, and stays so: how much moved, now and then and at its end */
};

enum settings_flags {
	FILTER_PORTS = 1, /* only sockets with one of `ports` at either end; no unix sockets */
	FILTER_PIDS = 2,  /* only processes in `targets` */
	FOLLOW_FORKS = 4, /* children of targets are targets */
	HEAR_TLS = 8,     /* libraries are probed: threads may be inside them */
	KNOW_MESSAGES = 16, /* what was under way when we came is known: calls of several messages are counted from their first */
	HEAR_PACKETS = 32,     /* packets can be copied, when somebody needs them */
	PACKETS_ATTACHED = 64, /* they are */
};

/* A session's number has this bit, a socket's cookie has not: they are told apart wherever one of them stands. */
#define TLS_SESSION (1ULL << 63)
/* The same, of a session that its program moves in memory: from then on it has another number. */
#define TLS_MOVES (1ULL << 62)

#define MAX_PORTS 16

struct settings {
	__u32 self;       /* our own thread group: never heard */
	__u32 epoch;      /* a cached verdict of another epoch is looked up again */
	__u32 cap;        /* bytes copied per call */
	__u32 undecided;  /* bytes copied per socket and direction before it is judged */
	__u32 head;       /* bytes copied per call under VERDICT_HEAD and when shedding */
	__u32 flags;      /* enum settings_flags */
	__u32 port_count;
	__u32 high_water; /* ring bytes waiting above which the reader is woken */
	__u32 shed_water; /* ring bytes waiting above which only heads are copied */
	__u16 ports[MAX_PORTS]; /* network byte order */
	__u32 reserved;
};

#define RECORD_SIZE 48
#define OPEN_RECORD_SIZE 128
#define EXEC_RECORD_SIZE 64
#define EXISTING_RECORD_SIZE 80
#define SETTINGS_SIZE 72
#define DATAGRAM_RECORD_SIZE 72
#define DATAGRAM_KEY_SIZE 32
#define DATAGRAM_COUNT_SIZE 24

_Static_assert(sizeof(struct record) == RECORD_SIZE, "record");
_Static_assert(sizeof(struct open_record) == OPEN_RECORD_SIZE, "open_record");
_Static_assert(sizeof(struct exec_record) == EXEC_RECORD_SIZE, "exec_record");
_Static_assert(sizeof(struct existing_record) == EXISTING_RECORD_SIZE, "existing_record");
_Static_assert(sizeof(struct settings) == SETTINGS_SIZE, "settings");
_Static_assert(sizeof(struct datagram_record) == DATAGRAM_RECORD_SIZE, "datagram_record");
_Static_assert(sizeof(struct datagram_key) == DATAGRAM_KEY_SIZE, "datagram_key");
_Static_assert(sizeof(struct datagram_count) == DATAGRAM_COUNT_SIZE, "datagram_count");

#endif
