/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

/*
 * The server's configuration: a JSON file (netlambda-server.conf(5)), checked as a whole. Unknown
 * keys, wrong types and functions that do not exist are errors that name file, line and key, so a
 * configuration is either right or not taken. Relative paths are relative to the file's folder.
 */

#include "base/cron.h"
#include "server/config_tls.h"
#include "server/function_config.h"
#include "server/http_config.h"
#include "server/runtime_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FUNCTIONS_MAX 64
#define CONFIG_WORKERS_MAX   64

struct trigger_config {
	uint32_t event_id;
	size_t function; /* index into functions */
};

/* A function that is called by a schedule. */
struct timer_config {
	char *schedule;
	struct cron cron;
	char function[64];
};

struct config {
	char *path;
	char *listen;       /* "127.0.0.1:5005" */
	char *api;          /* socket path */
	char *store;        /* database path */
	uint64_t store_max; /* bytes that it may have; 0: no limit */
	char *alerts;       /* NDJSON path; NULL = none */
	char *functions_dir;
	char *code_dir; /* of functions that are deployed */
	char *runtime_dir;
	struct runtime_config runtimes;
	bool relaxed_durability;
	unsigned int switches_max;
	unsigned int spare_workers;
	struct tls_config tls;
	bool version1; /* protocol version 1, which is in the clear, is taken as well */
	unsigned int receive_workers;
	unsigned int window; /* events of each lane of a switch that may wait for functions */
	uint32_t *version1_switches; /* ids, sorted */
	size_t version1_switch_count;
	uint64_t alerts_keep_ns, dead_letters_keep_ns; /* 0: for ever */
	unsigned int dead_letters_max;                 /* of each function */
	/* Of functions that do not say; what is deployed may not ask for less. */
	enum isolation isolation;
	char **network; /* the most that what is deployed may reach (surroundings.h); NULL: any */
	struct function_config functions[CONFIG_FUNCTIONS_MAX]; /* those that a trigger names */
	size_t function_count;
	struct trigger_config *triggers; /* in the file's order */
	size_t trigger_count;
	struct timer_config *timers;
	size_t timer_count;
	struct http_settings http;
	struct http_triggers http_triggers;
};

/*
 * Reads and checks a file. Returns 0; a negative errno of reading it; -EINVAL: its contents. On
 * failure `ret_error` holds "FILE:LINE: KEY: what is wrong and what to do", to be freed.
 */
int config_load(const char *path, struct config **ret_config, char **ret_error) _must_check_;
void config_free(struct config *config);

/* Adds a timer. 0; -EINVAL with what is wrong in `ret_error` (to be freed); -ENOMEM. */
int config_add_timer(struct config *config, const char *schedule, const char *function,
	char **ret_error) _must_check_;

/* What is deployed has the same limits under the one as under the other, which has none yet. 0 or -ENOMEM. */
int config_copy_limits(const struct config *from, struct config *to) _must_check_;

/* Functions and triggers, what limits those that are deployed, and allowed switches become the other's. */
void config_swap_functions(struct config *a, struct config *b);
DEFINE_CLEANUP(struct config, config_free)

/* Of two ids of switches, for qsort(3) and bsearch(3). */
int config_compare_ids(const void *a, const void *b);

#endif
