/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V1_H
#define WIRE_V1_H

/*
 * Protocol version 1, the thesis's (5.2): its datagrams, the sender's stop-and-wait and the
 * receiver's duplicate detection. docs/protocol-1.md is the normative text. Sans-I/O: bytes and time
 * come in as parameters, nothing here allocates, reads a clock, or knows of sockets. The caller
 * serializes.
 *
 * Payloads (all big-endian; NETLAMBDA_EVENT_H has the records):
 *   id 1  28 bytes: srcip u32, dstip u32, dstport u32, protocol u32, udp u32, syn u32, rst u32
 *   id 2  28 bytes: srcip u32, dstip u32, ports u32 (source << 16 | destination), protocol u32,
 *         count u32, size u64
 *   id 1 and 2 with 24 bytes more: the same with 16-byte addresses, for IPv6 (our extension; the
 *         length says which; IPv4 always travels in the thesis's form)
 *   id 1 with 8 bytes more: completed u32, refused u32 behind the others (our extension), unless
 *         both are 0
 *   id 3, 4  our extension, 57 bytes: srcip (or dstip) u32, first u64, last u64, packets u64, size u64,
 *         syn u32, udp u32, completed u32, hosts (or sources) u32, ports u32, ended u8; 69 bytes:
 *         the same with a 16-byte address
 *   id 5  our extension: ifindex u32, packets u64, size u64, not_ip u64, malformed u64,
 *         flow_shed u64, port_shed u64
 * Counters that exceed a u32 field are sent as 2^32-1 (and counted by the encoder). What version 1
 * has no field for (of ids 1, 2, 5: first, last, flags, ended) is 0 after decoding. Each record has one encoding
 * only: two v4-mapped addresses in the IPv6 form are refused, and so is a needlessly long one.
 */

#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define V1_VERSION            1
#define V1_DATAGRAM_MAX       1435 /* bytes; thesis 5.2.3 */
#define V1_HEADER_BYTES       10
#define V1_HEADER_BYTES_U32   13 /* the published implementation writes the event count as u32 */
#define V1_EVENT_HEADER_BYTES 9
#define V1_EVENTS_MAX         255
#define V1_SEQUENCE_MAX       0x7fffffffU
#define V1_ACK_BYTES          8 /* "ACK\n", sequence u32 */
#define V1_RESEND_NS          50000000ULL

/* Each error means one action for the receiver: count it under its name and drop the datagram. */
enum v1_error {
	V1_OK,
	V1_SHORT, /* ends inside a header or an event */
	V1_LONG,  /* more than V1_DATAGRAM_MAX bytes */
	V1_BAD_VERSION,
	V1_BAD_SEQUENCE,  /* 0 or above V1_SEQUENCE_MAX, in a transaction that wants an answer */
	V1_BAD_COUNT,     /* no events */
	V1_BAD_LENGTH,    /* an event's length is less than its header, or not its payload's */
	V1_BAD_FLAG,      /* acknowledge flag neither 0 nor 1 */
	V1_MIXED_FLAGS,   /* events of both kinds in one transaction */
	V1_UNKNOWN_EVENT, /* an event id this side knows no payload for */
	V1_BAD_PAYLOAD,   /* a port or protocol that cannot be, or a longer form than needed */
	V1_TRAILING, /* bytes after the last event (zero padding after a u32 count is accepted) */
	V1_ERROR_COUNT,
};

/* "short", "bad-version", ...: the label of the counter. */
const char *v1_error_name(enum v1_error error);

struct v1_event {
	uint32_t event_id;
	uint16_t record_size; /* bytes, as in <netlambda/event.h> */
	union {
		struct port_event port;
		struct flow_event flow;
		struct source_event source;
		struct target_event target;
		struct interface_event interface;
	} record;
};

struct v1_transaction {
	uint32_t switch_id;
	uint32_t sequence;
	bool wants_ack;
	bool count_is_u32; /* came from the published implementation */
	uint16_t event_count;
	/* For v1_next_event(). */
	const uint8_t *events;
	size_t events_bytes;
};

/*
 * Checks a whole datagram, every event's payload included, so that a transaction is taken or
 * refused as a whole. `ret_transaction` borrows `bytes` and is untouched on failure.
 */
enum v1_error v1_decode(
	const void *bytes, size_t size, struct v1_transaction *ret_transaction) _must_check_;

/*
 * Takes the next event off a transaction that v1_decode() accepted. False when there is none.
 * A copy of the struct v1_transaction is an independent iterator.
 */
bool v1_next_event(struct v1_transaction *transaction, struct v1_event *ret_event);

/* Writes an acknowledgement; returns its length. */
size_t v1_encode_ack(uint32_t sequence, uint8_t bytes[static V1_ACK_BYTES]);

/*
 * True if it is an acknowledgement: "ACK\n", then nothing, or a sequence, or zeros. The published
 * server's carries no sequence: 0 then.
 */
bool v1_decode_ack(const void *bytes, size_t size, uint32_t *ret_sequence);

/* ---- building a transaction ---- */

struct v1_builder {
	uint8_t bytes[V1_DATAGRAM_MAX];
	size_t size; /* bytes so far; a header alone while event_count is 0 */
	uint16_t event_count;
	uint64_t clamped; /* counters that did not fit their field, over the builder's life */
};

/* Starts (again) an empty transaction. `clamped` is kept; zero the struct first. */
void v1_builder_start(struct v1_builder *builder, uint32_t switch_id, uint32_t sequence);

/*
 * Appends an event. 0; -ENOSPC: the datagram is full (finish it and start another); -EINVAL:
 * version 1 has no payload for this event id, or the events before it are of the other kind.
 */
int v1_builder_add(struct v1_builder *builder, uint32_t event_id, const void *record,
	bool wants_ack) _must_check_;

/* ---- the sending side (thesis 5.2.2) ---- */

/*
 * Stop-and-wait. One transaction is outstanding at a time; it is sent again every `resend_ns` until
 * its acknowledgement comes. The caller builds transactions in `builder` when v1_sender_idle().
 */
struct v1_sender {
	uint32_t switch_id;
	uint32_t sequence; /* of the transaction in `builder` */
	bool outstanding;
	uint64_t resend_at_ns; /* monotonic; meaningful while outstanding */
	uint64_t resend_ns;
	uint64_t sent_ns; /* when the outstanding transaction was first sent */
	struct v1_builder builder;
	/* Counters. */
	uint64_t transactions, events, resends, stale_acks;
};

void v1_sender_init(struct v1_sender *sender, uint32_t switch_id, uint64_t resend_ns);
bool v1_sender_idle(const struct v1_sender *sender);
/* The builder, started afresh, to add events to. Only while idle. */
struct v1_builder *v1_sender_begin(struct v1_sender *sender);
/* Marks what was built (at least one event) as outstanding; the caller sends builder.bytes now. */
void v1_sender_commit(struct v1_sender *sender, uint64_t now_ns);
/* True if the outstanding transaction must be sent (again) now; re-arms the timer. */
bool v1_sender_resend_due(struct v1_sender *sender, uint64_t now_ns);
/*
 * An answer came. True if it acknowledges the outstanding transaction, which is then done. One
 * without a sequence (the published server's) acknowledges whatever is outstanding.
 */
bool v1_sender_acknowledge(struct v1_sender *sender, const void *bytes, size_t size);

/* ---- the receiving side ---- */

enum v1_verdict {
	V1_NEW,       /* process it, acknowledge when that is committed */
	V1_PENDING,   /* one is being processed, this or another: say nothing, it comes again */
	V1_DUPLICATE, /* a resend of the newest committed one: acknowledge again */
	V1_STALE,     /* an old one, delayed in the network: say nothing */
};

/*
 * What is known of one switch's acknowledged transactions. A resend has the same sequence and the
 * same bytes; 1 with other bytes is a restarted agent. A sequence behind the newest is an old
 * datagram, but if the same one comes V1_STALE_PATIENCE times with nothing between, somebody is
 * waiting for its answer (this side was put back to an older state), and it is taken as new.
 * Zero-initialize.
 */
#define V1_HISTORY        16
#define V1_STALE_PATIENCE 20
struct v1_receiver {
	struct {
		uint32_t sequence;
		uint64_t digest;
	} history[V1_HISTORY]; /* the newest committed ones, a ring */
	unsigned int newest, known;
	bool has_first;
	uint64_t first_digest; /* of the newest committed transaction 1, which outlives its history
				*/
	bool pending;
	uint32_t pending_sequence;
	uint64_t pending_digest;
	uint64_t
		stale_digest; /* of the last stale one, which came `stale_repeats` times in a row */
	unsigned int stale_repeats;
	/* Counters, kept by the functions below. */
	uint64_t duplicates, stale, restarts, jumps;
};

/* The digest of a datagram for these functions. Not keyed by a secret: it guards against accident.
 */
uint64_t v1_digest(const void *bytes, size_t size);

/* `duplicates` counts V1_DUPLICATE verdicts and resends of the pending one; `stale` V1_STALE ones.
 */
enum v1_verdict v1_receiver_check(
	struct v1_receiver *receiver, uint32_t sequence, uint64_t digest) _must_check_;
/* A V1_NEW one is being processed. Counts restarts (back to 1) and jumps (neither next nor 1). */
void v1_receiver_begin(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest);
/* The pending one is committed. */
void v1_receiver_commit(struct v1_receiver *receiver);
/* The pending one could not be processed and will be taken as new when it comes again. */
void v1_receiver_abandon(struct v1_receiver *receiver);
/* Restores the newest committed transaction, from a mark in the store. */
void v1_receiver_restore(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest);

#endif
