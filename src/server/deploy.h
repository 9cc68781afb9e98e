/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_DEPLOY_H
#define SERVER_DEPLOY_H

/*
 * Carries out what the API is asked to change about deployed functions, each in this order: check
 * the settings, load the code in a trial worker, commit the new version, put it to work, answer.
 * Whatever fails before the commit changes nothing. Of one function one change is under way at a
 * time.
 */

#include "server/api.h"
#include "server/commits.h"
#include "server/registry.h"

#define PURGE_ROWS                                                                                 \
	2000 /* of what a function remembers, in one transaction: no commit waits long for that */

struct deployment;

struct deployer {
	struct loop *loop;
	struct engine *engine;
	struct commits *commits;
	struct registry *registry;
	struct store *reader;      /* of this thread */
	const struct config *file; /* what the server's file says now */
	/*
	 * Makes functions and triggers those of the file and the registry; -EEXIST and so on with a
	 * message.
	 */
	int (*activate)(void *user, char **ret_error);
	/* Whether nothing of that name runs any more. */
	bool (*is_gone)(void *user, const char *function);
	void *user;
	struct deployment *deployments; /* those under way */
};

/* Takes a call of API_DEPLOY, API_UPDATE, API_DELETE or API_ROLLBACK. */
void deployer_call(struct deployer *deployer, struct api_call *call);

/* Whether a function is being deleted with all that it remembers: until that is over nobody else has its name. */
bool deployer_purges(const struct deployer *deployer, const char *name);

/* Ends what is under way, but for commits, which come back. */
void deployer_stop(struct deployer *deployer);

#endif
