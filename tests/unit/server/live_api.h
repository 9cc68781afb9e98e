/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_SERVER_LIVE_API_H
#define TESTS_UNIT_SERVER_LIVE_API_H

/*
 * The real API on a real socket, on a loop in a thread of its own, over the facts that a test gives
 * it. The test commits to `store`, which is the writing one.
 */

#include "server/api.h"
#include "store/store.h"

#include <pthread.h>

struct live_api {
	char dir[64];
	char socket[96];
	char db[96];
	struct store *store;
	struct loop *loop;
	struct api *api;
	pthread_t thread;
	const char *unhealthy; /* the reason, or NULL */
};

/* For cmocka: `*state` becomes a struct live_api. */
int live_api_start(void **state);
int live_api_stop(void **state);

/* Commits one alert and tells the API. */
void live_api_alert(struct live_api *live, const char *id, const char *function);

/* Commits one dead letter: reason "TypeError: boo", event {"syn": 12}. */
void live_api_dead_letter(struct live_api *live, const char *function);

/* For tests that restart the server: the socket goes, and comes back. */
void live_api_close(struct live_api *live);
void live_api_open(struct live_api *live);

#endif
