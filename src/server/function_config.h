/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_FUNCTION_CONFIG_H
#define SERVER_FUNCTION_CONFIG_H

/*
 * A function's settings: its folder's function.json, and those that go before it, which the server's
 * file or a deployment holds. Errors name the file, line and key that are wrong.
 */

#include "base/attr.h"
#include "engine/isolation.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUNCTION_FILE       "function.json"
#define TIMER_PREFIX        "timer:" /* of a trigger */
#define FUNCTION_KEY_MAX    8        /* fields in a state key */
#define FUNCTION_EVENTS_MAX 32       /* event ids that a manifest lists */
#define FUNCTION_EVENTS_EXPECTED                                                                   \
	"expected an array of event ids, as [1]: 1 port, 2 flow, 3 source, 4 target, 5 interface"
#define FUNCTION_TRIGGERS_EXPECTED                                                                 \
	"expected an array of texts, such as \"event:port\", \"timer:@every 5m\" or "              \
	"\"http:/scans\""
/* How far it is trusted is for who runs it to say: no settings of its manifest. */
#define FUNCTION_TRUST "isolation", "network"
#define FUNCTION_SETTINGS                                                                          \
	"runtime", "handler", "key", "timeout", "attempts", "patience", "batch", "linger",         \
		"queue", "min", "max", "idle", "state_keys", "state_bytes", "memory", "cpu",       \
		"env", "config"

struct config_reader;

struct function_config {
	char *name;
	char *dir;         /* absolute */
	char *description; /* NULL: none */
	char *runtime;
	char *handler;
	char *config; /* a JSON object as text: what the function sees as context.config */
	char *key[FUNCTION_KEY_MAX + 1]; /* NULL-terminated */
	uint64_t timeout_ns;
	unsigned int attempts;
	uint64_t patience_ns;
	unsigned int batch_max;
	uint64_t linger_ns; /* 0: a batch is sent at once */
	unsigned int queue_max;
	unsigned int min, max; /* workers */
	uint64_t idle_ns;
	unsigned int state_keys;
	uint64_t state_bytes;
	unsigned int memory_mb; /* of a worker; 0: RUNTIME_MEMORY_MB */
	unsigned int cpu;       /* hundredths of a processor; 0: no limit */
	enum isolation isolation;
	char **network;     /* that it may reach, as launcher/door.h has it; NULL: nothing */
	char **environment; /* "NAME=value", besides what all have; NULL: nothing */
	uint32_t events[FUNCTION_EVENTS_MAX]; /* that it takes; none: any */
	size_t event_count;
	unsigned int version; /* of a deployment; 0: it is in the server's file */
};

struct function_source {
	const char *name;
	const char *dir;          /* absolute */
	bool manifest_optional;   /* a folder without function.json will do */
	enum isolation isolation; /* if the override says nothing */
	const json_t *override;   /* the settings that go before the manifest's; NULL: none */
	const char *where;        /* what messages call the override: "functions.port-scan" */
};

/*
 * Fills in `ret_config`, which must be released with function_config_done() also if this fails; the
 * error is in the reader.
 */
void function_config_load(struct config_reader *reader, const struct function_source *source,
	struct function_config *ret_config);

/* 0 or -ENOMEM. */
int function_config_copy(
	const struct function_config *config, struct function_config *ret_copy) _must_check_;

/* Frees what it holds, not the struct itself. */
void function_config_done(struct function_config *config);

/* Whether a running function with the one configuration may go on under the other. */
bool function_config_equal(const struct function_config *a, const struct function_config *b);

/* "isolation", where one stands in an object. */
void read_isolation(struct config_reader *reader, const char *prefix, const json_t *object,
	enum isolation *isolation);

/*
 * Whether the function may be triggered by an event: it takes it, and the event has its key's fields.
 * If not, the reader has an error about `where`.
 */
void function_config_check_event(struct config_reader *reader, const char *where,
	const struct function_config *config, uint32_t event_id);

/*
 * What the manifest in `dir` says it is deployed with, as texts: its triggers, or else its events. An empty array: it
 * says nothing, or cannot be read, which function_config_load() says better. NULL: no memory.
 */
json_t *function_manifest_triggers(const char *dir);

/* Of a trigger, "event:1" or "event:port"; 0 if it is neither. */
uint32_t trigger_event_id(const char *text);

#endif
