/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

/*
 * A stream: the events of one sender, in order, each at a position. It is offered run by run, and each
 * run goes to the units that take events of its kind. How far the stream has been processed by all of
 * them is what the sender is told; how far each unit has come with each partition is what makes its
 * state exactly-once, and is committed with the state.
 *
 *   processed <= base <= next <= base + window (but for gaps)
 *
 * Below `next` all units have got all events. Below `base` they are also decided, and will be durable
 * if nothing is refused that is with the committer; below `processed` they are durable, and so is that
 * mark, where the stream keeps one (version 2: `epoch` is not 0). A unit may be ahead of `next`, since
 * each takes as much as it has room for: a run, or the rest of it, may be offered again, and no unit
 * gets an event twice.
 *
 * A gap is positions without events. It is passed as far as its loss is declared, durably, and kept
 * until it is processed: a commit that is refused takes `base` back over it.
 *
 * An incarnation begins the positions anew. One thread (the loop's).
 */

#include "server/progress.h"
#include "server/units.h"

#define STREAM_GAPS_MAX 4096

struct gap {
	uint64_t from, to;
};

struct stream {
	uint64_t id;
	uint64_t epoch; /* of version 2's agent; 0: no mark is kept of how far all have come */
	bool once;      /* unacknowledged: nothing is offered again, units keep no marks */
	uint64_t incarnation[2];
	uint64_t processed, base, next;
	uint64_t told;           /* of `base`, to the committer */
	unsigned int committing; /* results with events of it that are with the committer */
	size_t window;           /* positions, a power of two */
	uint8_t *waits;          /* a ring, by position: how many units have not decided it */
	struct progress *progress[UNITS_MAX];
	struct gap *gaps; /* in order, from gap_head on */
	size_t gap_head, gap_count, gap_room;
	size_t gap_passed; /* so many, at least, end at or below `base` */
	uint64_t declared; /* what gaps have below is declared, durably */
	uint64_t shed;     /* events of a stream that is offered once that a unit had no room for */

	uint64_t touched_by; /* the number of a commit ... */
	size_t touched_at;   /* ... and the stream's place in it */
};

/* `window` is rounded up to a power of two. 0 or -ENOMEM. */
int stream_init(struct stream *stream, uint64_t id, size_t window) _must_check_;
void stream_done(struct stream *stream);

/* What a unit had before the server started, a mark by one of its keys. 0 or -ENOMEM. */
int stream_restore(struct stream *stream, struct units *units, size_t slot,
	const struct mark *mark) _must_check_;

static inline bool stream_is(const struct stream *stream, const uint64_t incarnation[static 2])
{
	return stream->incarnation[0] == incarnation[0] && stream->incarnation[1] == incarnation[1];
}

/* Begins an incarnation at a position. Nothing of the one before may be outstanding. */
void stream_begin(struct stream *stream, const uint64_t incarnation[static 2], uint64_t position);
/* Its marks do not count any more: the same incarnation would be another one. */
void stream_forget(struct stream *stream);

/* Nothing of it is with a unit, or with the committer. */
bool stream_is_idle(const struct stream *stream);

/* So many positions from `next` on can be offered. */
static inline uint64_t stream_room(const struct stream *stream)
{
	return stream->next - stream->base < stream->window
		       ? stream->window - (stream->next - stream->base)
		       : 0;
}

/*
 * Offers a run that begins at `position`, at most `next`, and is within the window; what it says of its
 * place, origin, done and waits is filled in here. Returns whether any unit takes events of its kind.
 * How far all have got it shows in `next`. A stream that is offered once is through with the run then.
 */
bool stream_offer(
	struct stream *stream, struct units *units, const struct event_run *run, uint64_t position);

/* Makes room to note a gap. 0, -ENOMEM, or -ENOBUFS: not before more of those there are is processed. */
int stream_reserve_gap(struct stream *stream) _must_check_;
/* Passes over the gap that is noted at `next`: a unit is to have what came before it again. False: there is none. */
bool stream_skip_known(struct stream *stream);
/* From `next` on so many positions have no event; `declared`: that is durable. There is room. */
void stream_skip(struct stream *stream, uint64_t count, bool declared);
/* What gaps have below a position is declared, durably. */
void stream_declare(struct stream *stream, uint64_t position);

/* An event is decided, in a result that goes to the committer; or is not after all, which takes that back. */
void stream_decide(struct stream *stream, uint64_t position);
void stream_undecide(struct stream *stream, uint64_t position);
/* Moves `base` on as far as it can. */
void stream_advance(struct stream *stream);

/* A unit gives an event up that it had not committed. `again`: whoever follows it shall have it. */
void stream_drop(struct stream *stream, size_t slot, uint64_t position, bool again);
/* What a unit has done durably, to be added to and committed (progress_commit()). */
struct mark stream_mark(struct stream *stream, size_t slot);
/* A unit is gone, with its marks. */
void stream_forget_unit(struct stream *stream, size_t slot);

#endif
