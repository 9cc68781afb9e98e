/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_HTTP_CONFIG_H
#define SERVER_HTTP_CONFIG_H

/*
 * Triggers of requests: "http:/path" of a function, and the server's file, "http", which says where
 * requests are taken. Without it none are. Beyond the machine they are taken only over TLS and with a
 * token.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

struct config_reader;

#define HTTP_PREFIX   "http:"
#define HTTP_PATH_MAX 128 /* characters */

#define HTTP_NO_LISTENER                                                                           \
	"this server takes no requests: its configuration needs \"http\": {\"listen\": "           \
	"\"127.0.0.1:8080\"}"

struct http_settings {
	char *listen;      /* "127.0.0.1:8080"; NULL: no requests are taken */
	char *token_file;  /* NULL: none is asked for */
	char *certificate; /* PEM files; NULL: no TLS */
	char *key;
	unsigned int connections_per_address; /* 0: as struct address_limit has it */
};

/* Reads "http". An error is in the reader. */
void http_settings_load(struct config_reader *reader, struct http_settings *ret_settings);
void http_settings_done(struct http_settings *settings);

struct http_trigger {
	char *path; /* "/scans", or "/scans/" and a "*": whatever follows */
	char function[64];
};

struct http_triggers {
	struct http_trigger *items;
	size_t count;
};

/* 0; -EINVAL, not a path, or -EEXIST, another has it, with a message in `ret_error` (to be freed); -ENOMEM. */
int http_triggers_add(struct http_triggers *triggers, const char *path, const char *function,
	char **ret_error) _must_check_;
/* 0 or -ENOMEM. */
int http_triggers_copy(
	const struct http_triggers *triggers, struct http_triggers *ret_copy) _must_check_;
/* Takes away all but the first `count`. */
void http_triggers_cut(struct http_triggers *triggers, size_t count);
void http_triggers_done(struct http_triggers *triggers);

/* The trigger whose path matches, the longest if there are several; NULL: none does. */
const struct http_trigger *http_triggers_find(
	const struct http_triggers *triggers, const char *path);

#endif
