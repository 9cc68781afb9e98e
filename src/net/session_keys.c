// SPDX-License-Identifier: BSD-2-Clause
#include "net/session_keys.h"

#include <errno.h>
#include <openssl/crypto.h>

struct secrets {
	uint8_t to_server[V2_SECRET_BYTES], to_agent[V2_SECRET_BYTES];
};

static void secrets_wipe(struct secrets *secrets)
{
	OPENSSL_cleanse(secrets, sizeof(*secrets));
}

static int export(struct tls_channel *channel, uint8_t cipher, enum v2_way way, uint64_t session,
	uint8_t ret_secret[static V2_SECRET_BYTES])
{
	uint8_t context[V2_CONTEXT_BYTES];

	v2_put_context(cipher, way, session, context);
	return tls_channel_export(
		channel, V2_EXPORTER_LABEL, context, sizeof(context), ret_secret, V2_SECRET_BYTES);
}

int session_keys_new(struct tls_channel *channel, enum tls_role role, uint64_t session,
	uint8_t cipher, struct key_log *log, struct v2_aead **ret_aead)
{
	_cleanup_(secrets_wipe) struct secrets secrets = {0};
	int r = export(channel, cipher, V2_TO_SERVER, session, secrets.to_server);

	if (r == 0)
		r = export(channel, cipher, V2_TO_AGENT, session, secrets.to_agent);
	if (r == 0)
		r = role == TLS_SERVER
			    ? v2_aead_new(cipher, secrets.to_agent, secrets.to_server, 0, ret_aead)
			    : v2_aead_new(cipher, secrets.to_server, secrets.to_agent, 0, ret_aead);
	if (r == 0 && log)
		key_log_session(log, session, cipher, secrets.to_server, secrets.to_agent);
	return r;
}
