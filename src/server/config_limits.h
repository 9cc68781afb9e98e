/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_CONFIG_LIMITS_H
#define SERVER_CONFIG_LIMITS_H

/* "tls.limits": what strangers, and agents that ask too often, may take. A burst or number of 0: the usual. */

#include "net/tls_server.h"
#include "server/config_reader.h"

struct limits_config {
	struct tls_server_limits connections;
	struct rate hellos;       /* of an agent */
	struct rate incarnations; /* of an agent */
};

/* `json` is the object, or NULL. */
void limits_config_read(
	struct config_reader *reader, const json_t *json, struct limits_config *limits);

#endif
