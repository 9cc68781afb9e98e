// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sessions of the agent: asked for on a control connection (net/control_client.h), lived by the
 * sender. And what of that an operator should know.
 */
#include "agent/uplink_v2_private.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/siphash.h"
#include "event/description.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TICK_NS      (100 * NS_PER_MS)
#define ASK_NS       (300 * NS_PER_MS) /* between two wishes for a session; doubles while none helps */
#define ASK_MAX_NS   (30 * NS_PER_SEC)
#define RECONNECT_NS (15 * NS_PER_SEC) /* between two attempts to connect, at most */
#define UNHEARD_NS   (3 * NS_PER_SEC) /* of sessions without a datagram, until that is worth a line */
#define SAY_AGAIN_NS (60 * NS_PER_SEC)
#define EXPIRES_S    (14LL * 86400) /* a certificate that ends within so long is worth a line */

/* ---- schemas ---- */

static const uint32_t announced[] = {
	EVENT_PORT, EVENT_FLOW, EVENT_SOURCE, EVENT_TARGET, EVENT_INTERFACE};

uint16_t uplink_schema(enum spool_class class)
{
	uint16_t i = 0;

	while (announced[i] != spool_class_event_id(class))
		i++;
	return i;
}

static size_t describe(void *user _unused_, uint16_t index, uint8_t *bytes, size_t size)
{
	return schema_describe(schema_builtin(announced[index]), bytes, size);
}

int uplink_schemas(struct v2_schemas *ret_schemas)
{
	struct v2_schemas schemas = {.count = ARRAY_SIZE(announced)};

	for (uint16_t i = 0; i < schemas.count; i++) {
		uint8_t description[DESCRIPTION_MAX];
		size_t size = describe(NULL, i, description, sizeof(description));
		int r = size > 0 ? description_hash(description, size, &schemas.list[i].hash)
				 : -E2BIG;

		if (r < 0)
			return r;
		schemas.list[i].event_id = announced[i];
		schemas.list[i].record_bytes = schema_builtin(announced[i])->record_size;
	}
	*ret_schemas = schemas;
	return 0;
}

int uplink_v2_layout(uint64_t *ret_layout)
{
	/* No secret: the same build must find the same again. */
	static const struct siphash_key key = {.k0 = 0x6a6f75726e616c00};
	struct v2_schemas schemas;
	uint64_t hashes[ARRAY_SIZE(announced)];
	int r = uplink_schemas(&schemas);

	if (r < 0)
		return r;
	for (uint16_t i = 0; i < schemas.count; i++)
		hashes[i] = schemas.list[i].hash;
	*ret_layout = siphash(&key, hashes, sizeof(hashes));
	return 0;
}

/* ---- sessions ---- */

static void say_hello(void *user, struct v2_hello *ret_hello)
{
	const struct uplink_v2 *u = user;

	v2_sender_hello(&u->sender, ret_hello);
}

static enum v2_error open_session(void *user, const struct tls_peer *peer,
	const struct v2_welcome *welcome, const struct v2_seal *seal)
{
	struct uplink_v2 *u = user;
	uint64_t now = clock_monotonic_ns();
	char text[ENDPOINT_TEXT_MAX];
	enum v2_error error;
	int r;

	error = v2_sender_open(&u->sender, welcome, seal, now);
	if (error != V2_OK)
		return error; /* restart() tells */
	r = uplink_datagrams_to(u, &peer->address);
	if (r < 0) {
		v2_sender_close(&u->sender);
		log_limited(LOG_LEVEL_ERROR, "cannot open a session server=%s error=\"%s\"",
			endpoint_render(&peer->address, text), strerror(-r));
		return V2_BAD_PARAMETER; /* closes the connection; the next may be to another address */
	}
	journal_note_epoch(spool_journal(u->spool), welcome->epoch);
	u->heard = false;
	if (u->unheard_ns == 0)
		u->unheard_ns = now;
	log_info("session opened server=%s epoch=%" PRIu64 " cipher=%s",
		endpoint_render(&peer->address, text), welcome->epoch,
		v2_cipher_name(welcome->cipher));
	uplink_drive(u);
	return V2_OK;
}

static void close_session(void *user)
{
	struct uplink_v2 *u = user;

	v2_sender_close(&u->sender);
}

static void restart(void *user, enum v2_error why, uint64_t pause_ns)
{
	struct uplink_v2 *u = user;
	const uint64_t lost = uplink_restart(u);

	if (why == V2_STALE_EPOCH)
		log_error("another agent with the same certificate has taken this one's place "
			  "events_lost=%" PRIu64 " again_after_s=%u"
			  ": two agents must not share one",
			lost, (unsigned int)(pause_ns / NS_PER_SEC));
	else
		log_warning("the server was put back to an older state: begins anew "
			    "events_lost=%" PRIu64,
			lost);
}

/* An agent has no settings yet that its server could change. */
static enum v2_settings_status set(void *user _unused_, const struct v2_settings *settings _unused_)
{
	return V2_SETTINGS_FAILED;
}

/* ---- what there is to tell ---- */

/* Once for each different reason, and again now and then. */
static void say_failed(struct uplink_v2 *u, const struct control_note *note, const char *address)
{
	uint64_t now = clock_monotonic_ns();

	if (u->failed_ns != 0 && u->failed == note->end && now < u->failed_ns + SAY_AGAIN_NS)
		return;
	u->failed = note->end;
	u->failed_ns = now;
	log_warning("cannot connect, events are kept server=%s cause=%s: %s%s", address,
		tls_end_name(note->end), note->why,
		note->end == TLS_UNTRUSTED ? " (is --server the name in the server's certificate?)"
					   : "");
}

static const char *hint(enum v2_error error)
{
	return error == V2_BAD_SCHEMA || error == V2_NO_VERSION
		       ? ": use agents and server of one version"
		       : "";
}

static enum log_level level_of(const struct control_note *note)
{
	if (note->error != V2_OK || note->bye == V2_BYE_BUSY || note->bye == V2_BYE_REVOKED)
		return LOG_LEVEL_ERROR;
	return note->bye == V2_BYE_RENEWED ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING;
}

static void on_note(void *user, const struct control_note *note)
{
	const struct endpoint *at = note->peer ? &note->peer->address : note->address;
	const char *cause = note->error != V2_OK       ? v2_error_name(note->error)
			    : note->bye != V2_BYE_NONE ? v2_bye_name(note->bye)
						       : tls_end_name(note->end);
	struct uplink_v2 *u = user;
	char text[ENDPOINT_TEXT_MAX] = "?";

	if (at)
		endpoint_render(at, text);
	if (!note->peer && note->address) {
		say_failed(u, note, text);
	} else if (strcmp(note->what, "connected") == 0) {
		u->failed_ns = 0;
		log_info("connected server=%s", text);
	} else if (strcmp(note->what, "session opened") != 0) { /* which was said */
		log_limited(level_of(note), "%s server=%s cause=%s%s%s%s", note->what, text, cause,
			note->why ? ": " : "", note->why ? note->why : "", hint(note->error));
	}
}

static const struct control_client_callbacks callbacks = {
	.hello = say_hello,
	.describe = describe,
	.open = open_session,
	.close = close_session,
	.restart = restart,
	.set = set,
	.note = on_note,
};

/* ---- datagrams' news ---- */

void uplink_control_heard(struct uplink_v2 *uplink)
{
	if (uplink->heard)
		return;
	uplink->heard = true;
	uplink->ask_pause_ns = ASK_NS;
	if (uplink->said_ns != 0)
		log_info("acknowledgements come over UDP now");
	uplink->unheard_ns = uplink->said_ns = 0;
}

void uplink_control_broken(struct uplink_v2 *uplink, enum v2_error error)
{
	log_limited(LOG_LEVEL_ERROR, "the server sent what none may: the session ends cause=%s",
		v2_error_name(error));
	control_client_break(uplink->control, error);
}

/* The server owes an answer: TCP works, UDP does not. */
static void note_unheard(struct uplink_v2 *u, uint64_t now)
{
	char text[ENDPOINT_TEXT_MAX];

	if (u->unheard_ns == 0 || now < u->unheard_ns + UNHEARD_NS ||
		(u->said_ns != 0 && now < u->said_ns + SAY_AGAIN_NS))
		return;
	u->said_ns = now;
	log_error("no acknowledgement over UDP from %s, though the control connection over TCP "
		  "works: does a firewall let UDP pass, both ways? events are kept",
		endpoint_render(&u->peer, text));
}

/* ---- now and then ---- */

/* A session that helps brings a datagram, and with it the shortest pause. */
static void want_session(struct uplink_v2 *u, uint64_t now)
{
	if (now < u->ask_at_ns || !control_client_connected(u->control))
		return;
	control_client_want_session(u->control);
	u->ask_at_ns = now + u->ask_pause_ns;
	u->ask_pause_ns = MIN(2 * u->ask_pause_ns, ASK_MAX_NS);
}

static void on_tick(struct loop_timer *timer, uint64_t now_ns)
{
	struct uplink_v2 *u = timer->user;

	if (v2_sender_wants_session(&u->sender, now_ns)) {
		if (u->sender.session != 0) {
			uplink_datagrams_anew(u);
			note_unheard(u, now_ns);
		}
		want_session(u, now_ns);
	}
	loop_arm_timer(u->loop, timer, now_ns + TICK_NS);
}

/* ---- certificates ---- */

static int64_t certificate_until(const struct uplink_v2 *u)
{
	int64_t from, until;

	certificate_validity(tls_context_credentials(u->context)->certificate, &from, &until);
	return until;
}

static void warn_of_expiry(const struct uplink_v2 *u)
{
	int64_t left_s = certificate_until(u) - (int64_t)(clock_realtime_ns() / NS_PER_SEC);

	if (left_s < EXPIRES_S)
		log_warning(
			"this switch's certificate %s days=%lld: renew it (netlambda pki renew)",
			left_s < 0 ? "has expired" : "expires soon",
			(long long)(left_s < 0 ? -left_s : left_s) / 86400);
}

static void on_reloaded(void *user, const char *error)
{
	struct uplink_v2 *u = user;

	if (error) {
		log_warning("a new certificate is not taken, the old one stays: %s", error);
		return;
	}
	log_info("new certificate taken");
	warn_of_expiry(u);
	control_client_renew(u->control);
}

/* ---- life ---- */

static int open_key_log(struct uplink_v2 *u, const char *path, char **ret_error)
{
	int r = key_log_open(path, &u->key_log, ret_error);

	if (r == 0)
		log_warning(
			"KEY LOG %s: whoever reads it can read and forge all that is sent", path);
	return r;
}

int uplink_control_open(
	struct uplink_v2 *uplink, const struct uplink_v2_options *options, char **ret_error)
{
	struct tls_context_options context = {
		.role = TLS_CLIENT,
		.files = options->files,
		.reloaded = on_reloaded,
		.user = uplink,
	};
	struct control_client_options client = {
		.tls = {.address_count = uplink->server.count,
			.server_name = uplink->server.host,
			.pause_max_ns = RECONNECT_NS},
	};
	int r = 0;

	memcpy(client.tls.addresses, uplink->server.endpoints, sizeof(client.tls.addresses));
	uplink->ask_pause_ns = ASK_NS;
	if (options->key_log)
		r = open_key_log(uplink, options->key_log, ret_error);
	context.key_log = client.key_log = uplink->key_log;
	if (r == 0)
		r = tls_context_new(uplink->loop, &context, &uplink->context, ret_error);
	if (r == 0)
		r = control_client_new(uplink->loop, uplink->context, &client, &callbacks, uplink,
			&uplink->control);
	if (r < 0)
		return r;
	warn_of_expiry(uplink);
	uplink->tick = (struct loop_timer){.fn = on_tick, .user = uplink};
	loop_arm_timer(uplink->loop, &uplink->tick, clock_monotonic_ns() + TICK_NS);
	return 0;
}

void uplink_control_close(struct uplink_v2 *uplink)
{
	loop_disarm_timer(&uplink->tick);
	if (uplink->control) {
		control_client_leave(uplink->control);
		control_client_free(uplink->control);
	}
	if (uplink->context)
		tls_context_free(uplink->context);
	if (uplink->key_log)
		key_log_close(uplink->key_log);
}

void uplink_control_get_stats(const struct uplink_v2 *uplink, struct uplink_session *session)
{
	struct tls_client_stats stats;

	tls_client_stats(control_client_tls(uplink->control), &stats);
	session->connects = stats.opened;
	session->connect_failures = stats.attempts - stats.opened;
	session->certificate_until_s = certificate_until(uplink);
	session->connected = control_client_connected(uplink->control);
}
