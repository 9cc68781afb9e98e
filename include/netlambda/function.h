/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NETLAMBDA_FUNCTION_H
#define NETLAMBDA_FUNCTION_H

/*
 * Functions in C. A function is a shared object that exports
 *
 *     int many_syn(const struct lambda_event *event, struct lambda_context *context)
 *     {
 *             double syn = lambda_window_add(context, "syn", 10 * LAMBDA_SECOND, event->port->syn);
 *
 *             if (syn > 200 && lambda_once(context, "alerted", 5 * LAMBDA_MINUTE))
 *                     lambda_alert(context, &(struct lambda_alert){
 *                             .severity = "high", .title = "Many SYN segments",
 *                             .data = lambda_format(context, "{\"syn\":%.0f}", syn)});
 *             return 0;
 *     }
 *
 * It is built by `cc -shared -fPIC $(pkg-config --cflags netlambda) -o many-syn.so many-syn.c`, and its
 * manifest says "runtime": "native", "handler": "many-syn.many_syn". The symbols below are those of the
 * worker process that loads it; there is nothing to link with. docs/functions.md says what all runtimes have
 * in common: delivery, state, windows, alerts.
 *
 * The worker calls the handler event by event, from one thread, and never again before it has returned.
 * All that it is given is borrowed: events and contexts until the handler returns, texts likewise. A context
 * is not to be used afterwards, nor by another thread.
 *
 * Failure. 0: the event is done, and its state and alerts are kept. Anything else: it failed, nothing that
 * it did is kept, and it is tried again or put aside, as with an exception in another language;
 * lambda_fail() says why. A call below that is refused (a name that is empty, a value that holds something
 * else, no memory) gives 0, changes nothing, and makes the event fail with the reason, whatever the
 * handler returns. So nothing need be checked.
 *
 * Numbers are doubles, as in JSON and in the other runtimes: counts are exact up to 2^53.
 */

#include <netlambda/event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lambda_event {
	uint32_t id; /* enum event_id, or a user's own */
	uint32_t switch_id;
	uint64_t time_ns; /* when the switch sent it, UNIX epoch */
	union {           /* the record, by `id`; aligned for any member */
		const void *record;
		const struct port_event *port;
		const struct flow_event *flow;
		const struct source_event *source;
		const struct target_event *target;
		const struct interface_event *interface;
		const struct timer_event *timer;
		const struct http_event *http;
	};
	size_t size; /* bytes of the record */
};

/* What a function is called with besides the event. Opaque. */
struct lambda_context;

typedef int lambda_handler(const struct lambda_event *event, struct lambda_context *context);

/*
 * A handler whose name ends in _batch (or Batch) is called with all events that are at hand, oldest first, and
 * with a context for each. lambda_fail(contexts[i], ...) says that event i failed. Then nothing that this call
 * did is kept, and it is called again without those that failed. If it returns anything but 0 without having
 * said which, or does more than goes into one result, it is called again with half of them each, down to one.
 */
typedef int lambda_batch_handler(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts);

/*
 * Optional: a function of the handler's name and _init is called once, before the first event, with
 * a context that has a configuration and no state. Anything but 0: the function does not load.
 */
typedef int lambda_init_handler(struct lambda_context *context);

/* Says why; `return lambda_fail(context, "no table %s", name);`. Returns -1. */
int lambda_fail(struct lambda_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Text that lasts as long as the context, as printf(3) makes it. Never NULL. */
const char *lambda_format(struct lambda_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* An address as text, likewise. */
const char *lambda_ip(struct lambda_context *context, const ip_addr *ip);

/* A text that is the event's alone, and the same if it comes again: to make side effects harmless. */
const char *lambda_event_id(struct lambda_context *context);

/* ---- calls ---- */

/*
 * What an event of type http says, a JSON text: {"method", "path", "query", "headers", "body"}. NULL: the
 * event is another, and its record says all.
 */
const char *lambda_request(struct lambda_context *context);

/* Answers whoever called and waits, with a JSON text, which is copied; the last one counts. If nobody waits it is forgotten. */
void lambda_reply(struct lambda_context *context, const char *json);

/* ---- state ----
 *
 * It belongs to the event's key. Times are event time, in milliseconds. Names are UTF-8, 1 to 128
 * characters; what they name is one thing: a value, a counter, a window ... When the function keeps as much as
 * it may (state_bytes), what would make that more fails the event.
 */

#define LAMBDA_SECOND ((uint64_t)1000)
#define LAMBDA_MINUTE (60 * LAMBDA_SECOND)
#define LAMBDA_HOUR   (60 * LAMBDA_MINUTE)
#define LAMBDA_DAY    (24 * LAMBDA_HOUR)

/* The key as text: its values, joined by "|". */
const char *lambda_key(struct lambda_context *context);

/* A plain value, as JSON text; NULL: there is none. */
const char *lambda_get(struct lambda_context *context, const char *name);
/* The same of a number; `otherwise` if there is none. */
double lambda_get_number(struct lambda_context *context, const char *name, double otherwise);
/* The same of a text; NULL if there is none. */
const char *lambda_get_text(struct lambda_context *context, const char *name);

void lambda_set(struct lambda_context *context, const char *name, const char *json);
void lambda_set_number(struct lambda_context *context, const char *name, double value);
void lambda_set_text(struct lambda_context *context, const char *name, const char *text);

/*
 * What `name` holds, a value or a counter, is gone once it has not been changed for `ttl_ms`; 0: it stays.
 * That counts as a change. Setting a value makes it stay, adding to a counter leaves this as it is.
 */
void lambda_ttl(struct lambda_context *context, const char *name, uint64_t ttl_ms);

/* True if there was one. */
bool lambda_delete(struct lambda_context *context, const char *name);

/* Gives the new count. */
double lambda_counter_add(struct lambda_context *context, const char *name, double amount);
double lambda_counter(struct lambda_context *context, const char *name);

/* The sum over the last `length_ms`. */
double lambda_window_add(
	struct lambda_context *context, const char *name, uint64_t length_ms, double amount);
double lambda_window(struct lambda_context *context, const char *name, uint64_t length_ms);

/* How many distinct values there were in the last `length_ms`: exact up to `cap`, 1 to 4096; 0: 256. */
double lambda_distinct_add(struct lambda_context *context, const char *name, uint64_t length_ms,
	unsigned int cap, const char *value);
double lambda_distinct_add_ip(struct lambda_context *context, const char *name, uint64_t length_ms,
	unsigned int cap, const ip_addr *value);
double lambda_distinct_add_number(struct lambda_context *context, const char *name,
	uint64_t length_ms, unsigned int cap, uint64_t value);
double lambda_distinct(
	struct lambda_context *context, const char *name, uint64_t length_ms, unsigned int cap);

/*
 * The `k` values (1 to 50) with the largest sums over the last `length_ms`; 0: since the beginning. Adding
 * gives the value's own sum. A sum may be too large, by `error` at most.
 */
struct lambda_sum {
	const char *value;
	double sum;
	double error;
};

double lambda_top_add(struct lambda_context *context, const char *name, unsigned int k,
	uint64_t length_ms, const char *value, double amount);
/* Gives how many there are, at most `k`; `ret_sums` has room for `k`. */
size_t lambda_top(struct lambda_context *context, const char *name, unsigned int k,
	uint64_t length_ms, struct lambda_sum *ret_sums);

/*
 * How much a cumulative counter has grown since it was last told. `first` is the incarnation's: the
 * event's `first`, or 0 if the sender does not know.
 */
double lambda_growth(struct lambda_context *context, const char *name, double total, time_ns first);

/* True, and then false until it was not asked for `length_ms`: a hold-down. */
bool lambda_once(struct lambda_context *context, const char *name, uint64_t length_ms);

/* ---- alerts ---- */

#define LAMBDA_NONE (-1)

struct lambda_alert {
	const char *title;    /* 1 to 256 characters; the only member that is needed */
	const char *severity; /* "critical", "high", "medium" (also if NULL), "low" or "info" */
	const char *category;
	const char *data; /* a JSON object of your choice, as text */
	/* What the alert is about. NULL and 0: as the event says; "" and LAMBDA_NONE: nothing. */
	const char *srcip, *dstip;
	int srcport, dstport, protocol;
};

/* Raises an alert, if the event succeeds. At most 64 for one event. */
void lambda_alert(struct lambda_context *context, const struct lambda_alert *alert);

/* A line in the server's log, as printf(3) to the standard output makes it. */
void lambda_log(struct lambda_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- settings ----
 *
 * Of the manifest's `config`. `path` names a member, "window", or one of an object in it, "flood.window". What
 * is not there is `otherwise`; what is of another type is refused. Look them up once, in the _init handler.
 */

double lambda_config_number(struct lambda_context *context, const char *path, double otherwise);
bool lambda_config_bool(struct lambda_context *context, const char *path, bool otherwise);
/* The text lives as long as the worker. */
const char *lambda_config_text(
	struct lambda_context *context, const char *path, const char *otherwise);
/* A length of time such as "10s", in milliseconds. */
uint64_t lambda_config_length(struct lambda_context *context, const char *path, uint64_t otherwise);

/* ---- compatibility ----
 *
 * Each shared object says what it was built against; the worker refuses one of another version of this
 * interface, or of records that have changed since, and says to build it again.
 */

#define LAMBDA_ABI     1
#define LAMBDA_RECORDS 7 /* events with the ids 1, 2 ... */

struct lambda_abi {
	uint32_t version;
	uint32_t records; /* so many sizes follow, in bytes */
	uint32_t record_sizes[LAMBDA_RECORDS];
};

#ifndef LAMBDA_RUNTIME
extern const struct lambda_abi lambda_abi __attribute__((weak, visibility("default")));
const struct lambda_abi lambda_abi = {
	LAMBDA_ABI,
	LAMBDA_RECORDS,
	{sizeof(struct port_event), sizeof(struct flow_event), sizeof(struct source_event),
		sizeof(struct target_event), sizeof(struct interface_event),
		sizeof(struct timer_event), sizeof(struct http_event)},
};
#endif

#ifdef __cplusplus
}
#endif

#endif
