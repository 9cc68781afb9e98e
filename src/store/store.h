/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_STORE_H
#define STORE_STORE_H

/*
 * Where state lasts: one SQLite database file in WAL mode. store_commit() makes outcomes durable,
 * all or nothing. A struct store is used by one thread at a time; readers open their own with
 * STORE_READ_ONLY (WAL lets them read beside the writer). One store at a time may be open for
 * writing: it holds a lock on the file PATH-lock, which the kernel drops with the process.
 */

#include "base/attr.h"
#include "event/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum store_flags {
	STORE_READ_ONLY = 1 << 0,
	/* fsync only at checkpoints: survives kill -9, but a power failure may take back commits.
	 */
	STORE_RELAXED = 1 << 1,
};

/*
 * Opens, creates and brings the schema up to date. Returns 0; -ENOENT, -EACCES, ...: the file;
 * -EBUSY: open for writing already; -ENOTSUP: written by a newer version (or, when only reading, by
 * an older one); -EBADMSG: not a database, or a damaged one (the file is left as it is; the message
 * names a command that saves what can be saved). On failure `ret_error` holds a message for the
 * operator, to be freed.
 */
int store_open(const char *path, enum store_flags flags, struct store **ret_store,
	char **ret_error) _must_check_;
void store_close(struct store *store);
DEFINE_CLEANUP(struct store, store_close)

/*
 * 0; -ENOSPC: disk full; -EDQUOT: it would be larger than store_limit() lets it be; -EIO: anything else that SQLite
 * refused. Nothing is changed on failure.
 */
int store_commit(struct store *store, const struct outcome *outcomes, size_t count) _must_check_;

/*
 * From so many bytes on (0: no limit) store_commit() takes nothing that needs more pages of the file; what
 * changes or removes what is there it takes. Pages that are free count as room. From any thread.
 */
void store_limit(struct store *store, uint64_t bytes);

/*
 * So many dead letters of each function are kept (0: any number): in the commit that brings more the oldest leave,
 * which the outcome says. From any thread.
 */
void store_limit_letters(struct store *store, uint64_t count);

/* How large it is, free pages not counted. 0 or a negative errno. */
int store_size(struct store *store, uint64_t *ret_bytes) _must_check_;

/* What SQLite last said. Valid until the next call. */
const char *store_error(const struct store *store);

/*
 * All that a function remembers: `fn` is called a row; a negative result ends it and is returned.
 */
int store_each_state(
	struct store *store, const char *function, state_row_fn fn, void *user) _must_check_;
/* How much that is; all zero: nothing. 0 or a negative errno. */
int store_sum_state(
	struct store *store, const char *function, struct state_sum *ret_sum) _must_check_;
/* A piece, in the order of struct state_place. Returns the number of rows, or as above. */
int store_load_state(struct store *store, const struct state_range *range, state_row_fn fn,
	void *user) _must_check_;

/*
 * A function's marks whose key is not known, since version 4 of the schema did not keep it, are by this one. Before the
 * first commit of its marks. 0 or as of store_commit().
 */
#define MARK_KEY_UNKNOWN "?" /* no field is called so */
int store_claim_marks(struct store *store, const char *function, const char *key) _must_check_;

/* Iteration: `fn` is called a row; if it returns non-zero that ends it and is returned. `function`: NULL: of all. */
int store_each_mark(struct store *store, const char *function,
	int (*fn)(void *user, const char *function, const struct mark *mark),
	void *user) _must_check_;

struct alert_filter {
	uint64_t after_row;   /* only rows with a higher number; 0 = all */
	uint64_t since_ns;    /* only alerts raised at or after; 0 = all */
	const char *function; /* NULL = any */
	unsigned int limit;   /* the newest so many; 0 = no limit */
};

/* Oldest first. `row` numbers ascend and are never used again. */
int store_each_alert(struct store *store, const struct alert_filter *filter,
	int (*fn)(void *user, uint64_t row, const char *function, const struct alert *alert),
	void *user) _must_check_;
struct dead_letter_range {
	const char *function; /* NULL: any */
	uint64_t row;         /* 0: any */
	uint64_t before_ns;   /* event time; 0: any */
};

/* Deletes those that are in the range. 0 or as of store_commit(). */
int store_drop_dead_letters(struct store *store, const struct dead_letter_range *range,
	uint64_t *ret_count) _must_check_;

/*
 * Deletes up to `limit` alerts that were raised, and dead letters whose events are, before a time
 * (0: none). So that the store is never held for long; `ret_count` says how many of both went. 0 or
 * as of store_commit().
 */
int store_prune(struct store *store, uint64_t alerts_before_ns, uint64_t letters_before_ns,
	unsigned int limit, uint64_t *ret_count) _must_check_;

typedef int (*dead_letter_fn)(
	void *user, uint64_t row, const char *function, const struct dead_letter *letter);

/* The newest `limit`, oldest first; 0: all. */
int store_each_dead_letter(struct store *store, const char *function, unsigned int limit,
	dead_letter_fn fn, void *user) _must_check_;
/*
 * A piece of them, oldest first: at most `limit` behind a row. Returns their number, and less than that
 * if there are no more.
 */
int store_load_dead_letters(struct store *store, const char *function, uint64_t after,
	unsigned int limit, dead_letter_fn fn, void *user) _must_check_;

#endif
