/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_H
#define WIRE_V2_H

/*
 * Protocol version 2: the bytes of its datagrams. docs/protocol-2.md is the normative text.
 *
 * A tour of version 2: v2.h (here) reads and writes frames; v2_control.h the messages that open a
 * session; v2_seal.h is what encrypts, and the replay window; v2_spool.h holds what was not yet
 * processed; v2_congestion.h says how much may fly; v2_sender.h and v2_receiver.h are the two ends,
 * state machines over all of these. Sans-I/O throughout: bytes, time and randomness come in as
 * parameters, memory is allocated by the _init functions only, nothing logs or knows of sockets.
 * The caller serializes.
 */

#include "base/attr.h"
#include "base/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define V2_VERSION       2
#define V2_PORT          5005 /* TCP and UDP, unless another is chosen */
#define V2_HEADER_BYTES  16   /* the associated data of the seal */
#define V2_TAG_BYTES     16
#define V2_MTU_FLOOR     1200 /* UDP payload, bytes; every path carries it */
#define V2_DATAGRAM_MAX  8972 /* UDP payload on a 9000-byte link */
#define V2_FRAME_BYTES   4    /* a frame's header */
#define V2_EVENTS_BYTES  16   /* an EVENTS frame without its records */
#define V2_SHED_BYTES    24
#define V2_ACK_RANGES    64
#define V2_SCHEMAS_MAX   32
#define V2_RECORD_MAX    256 /* bytes; EVENT_RECORD_MAX */
#define V2_SEQUENCE_MAX  (UINT64_MAX >> 1)
#define V2_SESSION_MAX   (UINT64_MAX >> 8) /* 56 bits; 0 is no session */
#define V2_ACK_DELAY_NS  1000000ULL        /* the longest a receiver holds an acknowledgement */
#define V2_SKIPPABLE_MIN 0x80              /* frame types from here on may be skipped */

/*
 * A lane has its own sequence of events, delivered in order; lanes do not wait for each other. The
 * lower the number, the sooner it is sent. What has one key belongs to one lane.
 */
enum v2_lane_id {
	V2_LANE_URGENT, /* thresholds that were crossed */
	V2_LANE_PORT,   /* what adds up: each record counts once */
	V2_LANE_LAST,   /* last records of flows */
	V2_LANE_UPDATE, /* unacknowledged: sent once, loss is counted by the receiver */
	V2_LANES,
	V2_LANES_ACKED = V2_LANE_UPDATE,
};

/* Each error means one action, v2_error_action(). Those up to V2_UNSEALED say nothing of the peer. */
enum v2_error {
	V2_OK,
	V2_SHORT,           /* fewer bytes than header, tag and one frame header */
	V2_LONG,            /* more than V2_DATAGRAM_MAX */
	V2_NOT_V2,          /* the fixed bits are others, or the packet number exceeds 2^63 - 1 */
	V2_UNKNOWN_SESSION, /* none of this number, or it is closed */
	V2_REPLAYED,        /* the packet number was seen */
	V2_TOO_OLD,         /* it is left of the replay window */
	V2_UNSEALED,        /* the seal does not hold */
	V2_BAD_FRAME,     /* a frame's length is not one that its type has, or exceeds the packet */
	V2_UNKNOWN_FRAME, /* a type below V2_SKIPPABLE_MIN that has no meaning */
	V2_WRONG_WAY,     /* a frame that this end only sends */
	V2_BAD_LANE,
	V2_BAD_COUNT,    /* no events, or a shed range of none */
	V2_BAD_SCHEMA,   /* the session announced no such schema */
	V2_BAD_SEQUENCE, /* ends beyond V2_SEQUENCE_MAX */
	V2_BAD_CAUSE,
	V2_BAD_RANGES,  /* ranges that go below 0 or touch */
	V2_ACK_UNSENT,  /* acknowledges or calls processed what was not sent */
	V2_OVER_CREDIT, /* events beyond the limit that was granted */
	V2_BAD_CONTROL, /* a control message that does not hold together */
	V2_BAD_PARAMETER,
	V2_NO_VERSION,  /* no version in common */
	V2_STALE_EPOCH, /* of an incarnation that the server has closed */
	V2_ROLLED_BACK, /* the server's marks are behind what it had called processed */
	V2_NO_CIPHER,   /* none in common */
	V2_ERROR_COUNT,
};

enum v2_action {
	V2_ACTION_NONE,
	V2_ACTION_DROP,    /* count it, drop the datagram, answer nothing */
	V2_ACTION_CLOSE,   /* the peer is broken: end the session; the sender opens another */
	V2_ACTION_RESTART, /* sender: give the incarnation up, its spool with it, and begin another */
};

const char *v2_error_name(enum v2_error error);
enum v2_action v2_error_action(enum v2_error error);

/* Why a range of sequences holds no events. */
enum v2_cause {
	V2_CAUSE_NONE,
	V2_CAUSE_SPOOL_FULL, /* the sender had no room */
	V2_CAUSE_PATH,       /* receiver: a gap in the unacknowledged lane */
	V2_CAUSE_RESTART,    /* receiver: the incarnation ended; the range has no end */
	V2_CAUSE_COUNT,
};

const char *v2_cause_name(enum v2_cause cause);

/* One type of record, announced in the session's HELLO; frames name it by its place there. */
struct v2_schema {
	uint32_t event_id;
	uint16_t record_bytes; /* 1 to V2_RECORD_MAX */
	uint64_t hash;         /* of the schema's description, which is sent once where unknown */
};

struct v2_schemas {
	uint16_t count;
	struct v2_schema list[V2_SCHEMAS_MAX];
};

struct v2_header {
	uint8_t phase;    /* of the key, 0 to 3 */
	uint8_t grease;   /* the four reserved bits: random when sent, ignored when received */
	uint64_t session; /* 56 bits */
	uint64_t packet;  /* fresh for each transmission, from 0 */
};

/* Reads the header of a sealed datagram. V2_OK, V2_SHORT, V2_LONG or V2_NOT_V2. */
enum v2_error v2_get_header(
	const uint8_t *bytes, size_t size, struct v2_header *ret_header) _must_check_;
void v2_put_header(struct cursor *c, const struct v2_header *header);

enum v2_frame_type {
	V2_FRAME_PING = 0x01,
	V2_FRAME_EVENTS = 0x02,
	V2_FRAME_SHED = 0x03,
	V2_FRAME_ACK = 0x04,
	V2_FRAME_PROCESSED = 0x05,
	V2_FRAME_PATH_CHALLENGE = 0x06,
	V2_FRAME_PATH_RESPONSE = 0x07,
	V2_FRAME_PADDING = 0x80,
};

struct v2_range {
	uint64_t first, last; /* packet numbers, inclusive */
};

struct v2_frame {
	uint8_t type; /* enum v2_frame_type, or one that is to be skipped */
	union {
		struct {
			uint8_t lane;
			uint16_t schema, count, record_bytes;
			uint64_t sequence;      /* of the first record */
			const uint8_t *records; /* borrowed from the packet */
		} events;
		struct {
			uint8_t lane;
			uint8_t cause;
			uint64_t sequence, count;
		} shed;
		struct {
			uint32_t delay_us; /* how long the newest waited at the receiver */
			uint8_t count;     /* of ranges, 1 to V2_ACK_RANGES */
			uint64_t largest;
			const uint8_t *ranges; /* borrowed from the packet: v2_get_ranges() */
		} ack;
		struct {
			uint8_t lane;
			uint64_t before; /* all sequences below are processed, durably */
			uint64_t limit;  /* credit: sequences below may be sent */
		} processed;
		uint64_t path; /* challenge and response */
	};
};

/*
 * Takes the next frame off an opened packet's text. `ret_frame` is undefined on failure. The caller
 * stops when cursor_left() is 0.
 */
enum v2_error v2_next_frame(struct cursor *c, const struct v2_schemas *schemas,
	struct v2_frame *ret_frame) _must_check_;

enum v2_way {
	V2_TO_SERVER,
	V2_TO_AGENT,
};

/* The ranges of an ACK frame that was taken, newest first. */
void v2_get_ranges(const struct v2_frame *ack, struct v2_range ret_ranges[static V2_ACK_RANGES]);

/* Checks all frames of a packet, so that it is taken or refused as a whole. At least one frame. */
enum v2_error v2_check_frames(const uint8_t *text, size_t size, const struct v2_schemas *schemas,
	enum v2_way way) _must_check_;

/* True for frames that may travel this way. */
bool v2_frame_goes(const struct v2_frame *frame, enum v2_way way);
/* True for frames that want an acknowledgement. */
bool v2_frame_elicits(const struct v2_frame *frame);

/* Writers; the cursor fails if it does not fit. `grease` fills the frame's reserved bits. */
void v2_put_ping(struct cursor *c, uint8_t grease);
/* `frame->events.records` may be NULL: the caller puts the records. */
void v2_put_events(struct cursor *c, const struct v2_frame *frame, uint8_t grease);
void v2_put_shed(struct cursor *c, const struct v2_frame *frame, uint8_t grease);
/* `count` ranges, at least one, newest first. */
void v2_put_ack(struct cursor *c, uint32_t delay_us, const struct v2_range *ranges, uint8_t count,
	uint8_t grease);
void v2_put_processed(struct cursor *c, const struct v2_frame *frame, uint8_t grease);
void v2_put_path(struct cursor *c, enum v2_frame_type type, uint64_t value, uint8_t grease);
/* A frame of `size` bytes in all, at least V2_FRAME_BYTES, of any skippable type. */
void v2_put_padding(struct cursor *c, uint8_t type, size_t size);

#endif
