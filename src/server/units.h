/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_UNITS_H
#define SERVER_UNITS_H

/*
 * The server's functions and which events go to them. A unit is one configured function together
 * with its instance in the engine. Units keep their slot for life, so that a switch can hold its
 * progress through a unit by the slot's number. A unit that is retired takes no new events; it is
 * removed when it is idle, or after a while, and only then does its successor start: nothing runs
 * twice.
 */

#include "engine/engine.h"
#include "server/config.h"
#include "server/divisions.h"

#include <stdbool.h>
#include <stdint.h>

#define UNITS_MAX CONFIG_FUNCTIONS_MAX

struct unit {
	struct function_config *config;  /* owned; NULL = the slot is free */
	const struct division *division; /* by the configuration's key */
	struct function *function;       /* NULL: the engine refused it */
	char *error;                     /* owned; why */
	struct function_config *next;    /* owned; what replaces it, when it is retired */
	bool is_new; /* what it had of the streams before, under this name, is not known yet */
	bool retired;
	uint64_t retire_at_ns;  /* monotonic: removed at the latest then */
	unsigned int commits;   /* results that are with the committer */
	uint64_t letters_shed;  /* dead letters that left for newer ones */
	uint64_t calls_refused; /* requests and live calls, since there was too much to do */
};

struct units {
	struct unit units[UNITS_MAX];
	struct divisions divisions;
	struct trigger_config *triggers; /* owned; .function is a slot */
	size_t trigger_count;
};

struct units *units_new(void);
void units_free(struct units *units);
DEFINE_CLEANUP(struct units, units_free)

/*
 * Makes the functions and triggers of `config` the wanted ones. Units that are no longer wanted, or
 * wanted with other settings, are retired; new ones start at once. Takes the functions out of
 * `config`. 0, or -ENOMEM / -ENOSPC with nothing changed.
 */
int units_configure(struct units *units, struct engine *engine, struct config *config,
	uint64_t now_ns) _must_check_;

/*
 * Removes a retired unit if it may go now, calling `removed` before its slot is used again, and
 * starts its successor. Returns whether it did.
 */
bool units_settle(struct units *units, struct engine *engine, struct unit *unit, uint64_t now_ns,
	void (*removed)(void *user, size_t slot, bool replaced), void *user);

/* What the engine makes a function from. Borrows from `config`. */
void unit_options(const struct function_config *config, struct function_options *ret_options);

/* Whether events are for it. One that the engine refuses is as if it were not there. */
static inline bool unit_is_there(const struct unit *unit)
{
	return unit->function || unit->retired;
}

/* Whether events may go to it. */
static inline bool unit_is_live(const struct unit *unit)
{
	return unit->function && !unit->retired;
}

struct unit *units_find(struct units *units, const struct function *function);
/* By name, if events may go to it; else NULL. */
struct unit *units_find_live(struct units *units, const char *function);
static inline size_t unit_slot(const struct units *units, const struct unit *unit)
{
	return (size_t)(unit - units->units);
}

#endif
