/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_API_H
#define SERVER_API_H

/*
 * The HTTP API on a Unix socket (docs/operations.md lists its paths), for `netlambda`, Prometheus
 * and health checks. It lives on the server's loop and never blocks it: what the server is doing
 * comes through api_ops, alerts and dead letters from a read-only struct store of the API's own.
 * What changes something is an api_call: the server carries it out and answers it, at once or
 * later.
 *
 * What the callbacks hand over is borrowed until they return; strings must be UTF-8 and may be NULL
 * where a comment says so.
 */

#include "base/loop.h"
#include "engine/engine.h"
#include "server/metrics.h"
#include "server/peer.h"
#include "wire/v2.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct api;

struct api_status {
	const char *config_path;
	const char *listen;        /* "0.0.0.0:5000" */
	const char *protocol;      /* what is taken there, in words */
	bool version1;             /* in the clear */
	uint64_t version1_refused; /* datagrams of version 1 that came though it is off */
	uint64_t started_ns;       /* UNIX epoch */
	uint64_t datagrams;        /* received, malformed ones included */
	uint64_t malformed;        /* of these, refused by the parser */
	uint64_t events;           /* in accepted transactions, resends not counted again */
	uint64_t dropped;          /* events given up, all causes */
	uint64_t alerts;           /* since start */
	uint64_t dead_letters;     /* since start */
	uint64_t switches;
	uint64_t functions;
	const struct isolation_level *isolation; /* what this system has */
};

struct api_lane {
	const char *name;   /* "urgent", "port", "last", "update" */
	uint64_t received;  /* events, each once, since the server started */
	uint64_t processed; /* sequences below are processed, or declared lost, durably */
	uint64_t waiting;   /* events that functions have, or wait for */
	uint64_t shed;      /* by the agent, as it declared */
	uint64_t lost;      /* in ranges that were declared, whatever the cause */
};

/* What version 2 has beside. */
struct api_session {
	const char *name;        /* of its certificate */
	const char *serial;      /* likewise */
	uint64_t until_ns;       /* when that expires, UNIX epoch */
	uint64_t opened_ns;      /* 0: there is no session */
	const char *cipher;      /* of the session */
	bool connected;          /* the control connection is up */
	bool validated;          /* the address */
	uint64_t epoch;          /* of its incarnation */
	uint64_t since_ns;       /* when that was met, UNIX epoch */
	uint32_t datagram_bytes; /* the longest datagram of the session */
	uint64_t datagrams, refused, path_changes, sessions, takeovers;
	struct api_lane lanes[V2_LANES];
};

struct api_switch {
	uint32_t id;
	const struct api_session *session; /* NULL: it speaks version 1 */
	const char *address;               /* where its last datagram came from */
	uint64_t first_seen_ns;            /* UNIX epoch */
	uint64_t last_seen_ns;
	uint32_t sequence;     /* of the newest acknowledged transaction; 0 = none yet */
	uint64_t transactions; /* both kinds */
	uint64_t events;
	uint64_t duplicates; /* resends of committed transactions */
	uint64_t stale;
	uint64_t restarts; /* of the agent */
	uint64_t packets;  /* as its interfaces counted them, all together */
	uint64_t bytes;
	uint64_t shed; /* packets without detail: the switch's tables were full */
};

struct api_function {
	const char *name;
	const char *runtime;
	const char *handler;
	const char *triggers;   /* "port" or "port,flow" */
	unsigned int version;   /* of a deployment; 0: it is in the server's file */
	uint64_t letters_shed;  /* dead letters that left for newer ones */
	uint64_t calls_refused; /* requests and live calls, since there was too much to do */
	struct function_stats stats;
};

/* As GET /v1/functions shows it. NULL: out of memory. */
json_t *api_function_json(const struct api_function *item);

/* What isolation is wanted, what of it is in force, and what is lacking. */
void api_put_layers(json_t **object, const struct function_stats *stats);

typedef void (*api_reason_fn)(void *arg, const char *reason);
typedef void (*api_switch_fn)(void *arg, const struct api_switch *item);
typedef void (*api_function_fn)(void *arg, const struct api_function *item);

enum api_verb {
	API_DESCRIBE, /* GET /v1/functions/NAME */
	API_DEPLOY,   /* PUT */
	API_UPDATE,   /* PATCH */
	API_DELETE,   /* DELETE */
	API_ROLLBACK, /* POST /v1/functions/NAME/rollback */
	API_CALL,     /* POST /v1/functions/NAME/call */
	API_RETRY,    /* POST /v1/dead-letters/retry */
	API_DROP,     /* POST /v1/dead-letters/drop */
};

/* A request with all that came with it. The server's until it is answered. */
struct api_call {
	enum api_verb verb;
	const char *name; /* the verb as the audit log has it: "deploy" */
	char *function;   /* NULL where the verb is about none */
	json_t *body;     /* an object, perhaps an empty one */
	struct peer peer;
	struct api_request *request; /* the API's; NULL: nobody waits for the answer any more */
};

/* Answers a call, once, and frees it. Takes `answer`; NULL: out of memory. */
void api_call_answer(struct api_call *call, unsigned int code, json_t *answer);
/* The same with {"error": ...}. */
void api_call_refuse(struct api_call *call, unsigned int code, const char *fmt, ...) _printf_(3, 4);

struct api_ops {
	/* Calls `fn` for each reason why the server does not do its work now; none = healthy. */
	void (*health)(void *user, api_reason_fn fn, void *arg);
	void (*status)(void *user, struct api_status *ret_status);
	void (*each_switch)(void *user, api_switch_fn fn, void *arg);
	void (*each_function)(void *user, api_function_fn fn, void *arg);
	/* Writes all families but those of the API itself (netlambda_api_*, netlambda_build_info).
	 */
	void (*metrics)(void *user, struct metrics *metrics);
	/* Takes a call, to be answered now or later; NULL: all are refused. */
	void (*call)(void *user, struct api_call *call);
	/* The folder of the code of that digest is there, and may stay as long as it is needed. */
	bool (*code_needed)(void *user, const char *code);
};

struct api_options {
	const char *socket_path; /* mode 0660; a stale socket is replaced, a live one refused */
	const char *store_path;  /* must exist: open the writing store first */
	const char *code_dir;    /* where functions' code is unpacked to; NULL: none is taken */
	const char *unpack_program;
	struct log_rings *
		logs; /* what functions printed; borrowed for the API's life; NULL: nothing is kept */
};

/*
 * Listens. `ops` is borrowed for the API's life, `options` only for this call. Returns 0, or a
 * negative errno with a message for the operator in `ret_error` (to be freed): -EADDRINUSE: a
 * server answers on the socket; -EEXIST: the path is something else than a socket.
 */
int api_new(struct loop *loop, const struct api_options *options, const struct api_ops *ops,
	void *user, struct api **ret_api, char **ret_error) _must_check_;

/* Ends all connections and removes the socket file. */
void api_free(struct api *api);
DEFINE_CLEANUP(struct api, api_free)

/* Tells those that follow a function's lines that there are new ones; NULL: any function's. */
void api_logs_added(struct api *api, const char *function);

/* Tells those that follow alerts that new ones are committed. Cheap when nobody does. */
void api_alerts_committed(struct api *api);

#endif
