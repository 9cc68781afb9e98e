// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of sessions: who asks for one on a control connection (net/control_server.h) is admitted by
 * agents.h, its keys go to a receive worker, the worker's answer is the WELCOME. And their end, for
 * whichever reason comes first.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "event/description.h"
#include "server/link_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_NS NS_PER_SEC
#define DEAF_NS                                                                                    \
	(5 * NS_PER_SEC) /* without a datagram in a new session, until that is worth a line */
#define FLOOD_NS  (60 * NS_PER_SEC) /* from one line about connections turned away to the next */
#define RECENT_NS (10 * NS_PER_SEC) /* an incarnation heard of since then may be alive */

/* ---- the end of a session ---- */

static void session_end(struct client *client)
{
	if (client->number != 0) {
		session_close(client->session, client->number);
		receive_worker_ring(client->session->worker);
	}
	client->number = 0;
}

static void on_over(void *user, uint32_t switch_id)
{
	struct client *client = link_client(user, switch_id);

	if (client)
		session_end(client);
}

/* ---- HELLO ---- */

static void refuse(struct link *link, uint64_t ticket, enum v2_error error)
{
	control_server_refuse(link->control, ticket, error);
}

/* With the connection's keys. The worker opens it and says what the WELCOME is. */
static void begin_session(struct client *client, const struct v2_mark *mark)
{
	struct link *link = client->link;
	struct session *session = client->session;
	struct opening *opening = calloc(1, sizeof(*opening));
	int r;

	if (!opening) {
		control_server_dismiss(link->control, client->asking, V2_BYE_BUSY);
		client->asking = 0;
		return;
	}
	opening->ticket = client->asking;
	opening->number =
		receive_worker_number(session->worker, session, random_stream_next(&link->random));
	opening->cipher = client->asked_cipher;
	opening->mark = *mark;
	opening->hello = client->asked_hello;
	r = control_server_keys(
		link->control, opening->ticket, opening->number, opening->cipher, &opening->aead);
	if (r < 0) {
		opening_free(opening);
		client->asking = 0;
		if (r != -ENOENT) /* else it went meanwhile, and will ask again */
			log_limited(LOG_LEVEL_ERROR,
				"cannot open a session switch=%" PRIu32 " error=\"%s\"",
				client->agent->switch_id, strerror(-r));
		return;
	}
	if (client->epoch != mark->epoch)
		session_forget_processed(session);
	client->epoch = mark->epoch;
	session_open(session, opening);
	receive_worker_ring(session->worker);
}

/* Two agents with one certificate would take turns for ever: somebody should know. */
static void note_takeover(struct client *client, const struct endpoint *before)
{
	char here[ENDPOINT_TEXT_MAX], there[ENDPOINT_TEXT_MAX];
	const struct link *link = client->link;
	struct session_view view;

	session_get_view(client->session, &view);
	if (client->number == 0 ||
		!control_server_connected(link->control, client->agent->switch_id) ||
		endpoint_equal(&client->control_address, before) ||
		view.heard_ns + RECENT_NS < clock_realtime_ns())
		return;
	client->takeovers++;
	log_limited(LOG_LEVEL_WARNING,
		"another agent takes the place of one that is alive switch=%" PRIu32
		" name=\"%s\" from=%s before=%s: if there are two agents with this certificate, "
		"each "
		"loses what the other has not sent",
		client->agent->switch_id, client->name,
		endpoint_render(&client->control_address, here), endpoint_render(before, there));
}

static void note_client(struct client *client, const struct tls_peer *peer)
{
	snprintf(client->name, sizeof(client->name), "%s", peer->name);
	snprintf(client->serial, sizeof(client->serial), "%s", peer->serial);
	client->until_s = peer->until_s;
	client->control_address = peer->address;
	client->last_seen_ns = clock_realtime_ns();
	if (client->first_seen_ns == 0)
		client->first_seen_ns = client->last_seen_ns;
}

static void admit(struct client *client, const struct endpoint *before)
{
	struct v2_mark mark;
	uint64_t ticket = client->asking;

	switch (agent_hello(client->agent, &client->asked_hello, &mark)) {
	case V2_ADMIT_RESUME:
		begin_session(client, &mark);
		break;
	case V2_ADMIT_NEW:
		/* Nothing more of the one before is taken; control_admitted() goes on. */
		note_takeover(client, before);
		session_end(client);
		break;
	case V2_ADMIT_STALE:
		client->asking = 0;
		refuse(client->link, ticket, V2_STALE_EPOCH);
		break;
	}
}

/* A HELLO that is understood, of schemas that are known. */
static void on_asked(
	void *user, uint64_t ticket, const struct tls_peer *peer, const struct v2_hello *hello)
{
	static const uint8_t all[] = {V2_CIPHER_AES_256_GCM, V2_CIPHER_CHACHA20_POLY1305};
	struct link *link = user;
	const struct tls_config *tls = &link->config->tls;
	struct client *client = link_client(link, peer->switch_id);
	struct endpoint before;
	uint8_t cipher;
	enum v2_error error = v2_choose_cipher(hello, tls->cipher_count > 0 ? tls->ciphers : all,
		tls->cipher_count > 0 ? tls->cipher_count : ARRAY_SIZE(all), &cipher);

	if (!client) {
		log_limited(LOG_LEVEL_ERROR,
			"agent refused switch=%" PRIu32
			": there are switches_max others already, or no memory is left",
			peer->switch_id);
		control_server_dismiss(link->control, ticket, V2_BYE_BUSY);
		return;
	}
	if (!rate_take(&link->hello_rate, &client->hellos_full_at_ns, clock_monotonic_ns())) {
		link->hellos_put_off++;
		control_server_dismiss(link->control, ticket, V2_BYE_BUSY);
		return;
	}
	if (error != V2_OK) {
		refuse(link, ticket, error);
		return;
	}
	if (client->asking != 0)
		control_server_dismiss(link->control, client->asking, V2_BYE_REPLACED);
	client->asking = ticket;
	client->asked_cipher = cipher;
	client->asked_hello = *hello;
	before = client->control_address;
	note_client(client, peer);
	admit(client, &before);
}

void control_admitted(struct client *client, const struct v2_mark *mark)
{
	if (client->asking != 0)
		begin_session(client, mark);
}

/* ---- WELCOME ---- */

static int welcome(struct client *client, const struct opening *opening)
{
	struct v2_welcome message = opening->welcome;
	int r;

	message.cipher = opening->cipher;
	client->number = opening->number;
	client->cipher = opening->cipher;
	client->schemas = opening->hello.schemas;
	client->opened_ns = clock_realtime_ns();
	client->deaf = false;
	client->sessions++;
	r = control_server_welcome(client->link->control, opening->ticket, &message);
	if (r < 0)
		session_end(client);
	return r;
}

void control_opened(struct client *client, struct opening *opening)
{
	struct link *link = client->link;

	if (opening->ticket != client->asking) {
		/* Nobody waits for it any more. The session before it is gone as well. */
		if (opening->error == V2_OK) {
			client->number = opening->number;
			session_end(client);
		}
		opening_free(opening);
		return;
	}
	client->asking = 0;
	if (opening->error != V2_OK)
		refuse(link, opening->ticket, opening->error);
	else if (welcome(client, opening) < 0)
		log_debug("session not opened switch=%" PRIu32 ": its connection is gone",
			client->agent->switch_id);
	opening_free(opening);
}

void control_broken(struct client *client, uint64_t number, enum v2_error error)
{
	client->broken++;
	log_limited(LOG_LEVEL_ERROR,
		"session ended switch=%" PRIu32
		" name=\"%s\": its agent sent what none may cause=%s",
		client->agent->switch_id, client->name, v2_error_name(error));
	if (number == client->number)
		control_server_expel(
			client->link->control, client->agent->switch_id, V2_BYE_ERROR, error);
}

/* ---- schemas ---- */

/* Those that functions take: the built-in events', each in one layout. */
static const struct v2_schema *find_schema(const struct link *link, uint32_t event_id)
{
	for (uint16_t i = 0; i < link->schemas.count; i++)
		if (link->schemas.list[i].event_id == event_id)
			return &link->schemas.list[i];
	return NULL;
}

static bool knows(void *user, const struct v2_schema *schema)
{
	const struct v2_schema *ours = find_schema(user, schema->event_id);

	return ours && ours->hash == schema->hash && ours->record_bytes == schema->record_bytes;
}

static enum v2_error learn(void *user _unused_, const struct v2_schema *schema,
	const uint8_t *description _unused_, size_t size _unused_)
{
	log_limited(LOG_LEVEL_ERROR,
		"an agent is refused event=%" PRIu32 ": its records have another layout than this "
		"server's; use agents and server of one "
		"version",
		schema->event_id);
	return V2_BAD_SCHEMA;
}

static int init_schemas(struct link *link)
{
	for (uint32_t id = EVENT_PORT; id < EVENT_TIMER; id++) {
		const struct schema *schema = schema_builtin(id);
		struct v2_schema *ours = &link->schemas.list[link->schemas.count];
		uint8_t description[DESCRIPTION_MAX];
		size_t size = schema_describe(schema, description, sizeof(description));
		int r = size > 0 ? description_hash(description, size, &ours->hash) : -E2BIG;

		if (r < 0)
			return r;
		ours->event_id = id;
		ours->record_bytes = schema->record_size;
		link->schemas.count++;
	}
	return 0;
}

/* ---- settings: the server has none yet for its agents ---- */

static void get_settings(
	void *user _unused_, uint32_t switch_id _unused_, struct v2_settings *ret_settings)
{
	*ret_settings = (struct v2_settings){0};
}

static void on_set_done(void *user _unused_, uint32_t switch_id _unused_,
	const struct v2_settings_result *result _unused_)
{
}

/* ---- what there is to tell ---- */

/* What happens all the time is of no interest; what an operator may have to see to is. */
static enum log_level level_of(const struct control_note *note)
{
	if (note->end == TLS_BY_PEER || note->end == TLS_BROKEN)
		return LOG_LEVEL_DEBUG;
	if (note->end != TLS_END_NONE || note->error != V2_OK || note->bye == V2_BYE_ERROR)
		return LOG_LEVEL_WARNING;
	return strncmp(note->what, "session", strlen("session")) == 0 ? LOG_LEVEL_INFO
								      : LOG_LEVEL_DEBUG;
}

static void log_note(const struct control_note *note, const char *from)
{
	const char *cause = note->end != TLS_END_NONE  ? tls_end_name(note->end)
			    : note->error != V2_OK     ? v2_error_name(note->error)
			    : note->bye != V2_BYE_NONE ? v2_bye_name(note->bye)
						       : "";
	enum log_level level = level_of(note);

	if (note->peer)
		log_limited(level, "%s switch=%" PRIu32 " name=\"%s\" serial=%s from=%s%s%s%s%s",
			note->what, note->peer->switch_id, note->peer->name, note->peer->serial,
			from, *cause ? " cause=" : "", cause, note->why ? ": " : "",
			note->why ? note->why : "");
	else if (note->switch_id != 0)
		log_limited(level, "%s switch=%" PRIu32 "%s%s%s%s", note->what, note->switch_id,
			*cause ? " cause=" : "", cause, note->why ? ": " : "",
			note->why ? note->why : "");
	else
		log_limited(level, "%s from=%s%s%s%s%s", note->what, from, *cause ? " cause=" : "",
			cause, note->why ? ": " : "", note->why ? note->why : "");
}

static void on_note(void *user _unused_, const struct control_note *note)
{
	const struct endpoint *address = note->peer ? &note->peer->address : note->address;
	char text[ENDPOINT_TEXT_MAX] = "?";

	if (address)
		endpoint_render(address, text);
	log_note(note, text);
}

static const struct control_server_callbacks callbacks = {
	.knows = knows,
	.learn = learn,
	.asked = on_asked,
	.over = on_over,
	.settings = get_settings,
	.set_done = on_set_done,
	.note = on_note,
};

/* ---- now and then ---- */

/* TCP works and UDP does not: a firewall, most likely. */
static void look_for_deaf(struct client *client)
{
	char text[ENDPOINT_TEXT_MAX];
	struct session_view view;

	if (client->number == 0 || client->deaf ||
		client->opened_ns + DEAF_NS > clock_realtime_ns())
		return;
	session_get_view(client->session, &view);
	client->deaf = true; /* said, or heard: there is no need to look again */
	if (view.heard_ns >= client->opened_ns)
		return;
	log_warning("no datagram has come since the session was opened switch=%" PRIu32
		    " name=\"%s\" from=%s listen=%s: does a firewall let UDP pass?",
		client->agent->switch_id, client->name,
		endpoint_render(&client->control_address, text), client->link->config->listen);
}

/* Who is turned away is not worth a line each; that somebody is, is worth one a minute. */
static void look_for_flood(struct link *link, uint64_t now_ns)
{
	struct control_server_stats stats;
	uint64_t away = 0;

	control_server_stats(link->control, &stats);
	for (int excess = EXCESS_NONE + 1; excess < EXCESS_COUNT; excess++)
		away += stats.tls.away[excess];
	if (away == link->turned_away ||
		(link->flood_said_ns != 0 && now_ns < link->flood_said_ns + FLOOD_NS))
		return;
	log_warning("more connections come than are taken turned_away=%" PRIu64
		    " listen=%s: netlambda_control_turned_away_total says why",
		away - link->turned_away, link->config->listen);
	link->turned_away = away;
	link->flood_said_ns = now_ns;
}

static void on_look(struct loop_timer *timer, uint64_t now_ns)
{
	struct link *link = timer->user;

	look_for_flood(link, now_ns);
	for (size_t i = 0; i < link->client_count; i++)
		look_for_deaf(link->clients[i]);
	loop_arm_timer(link->loop, timer, now_ns + LOOK_NS);
}

/* ---- life ---- */

static void on_reloaded(void *user, const char *error)
{
	const struct link *link = user;

	if (error)
		log_error("new certificates are not taken, the old ones stay: %s", error);
	else
		log_info("new certificates file=%s", link->config->tls.credentials);
}

static int open_context(struct link *link, char **ret_error)
{
	const struct tls_config *tls = &link->config->tls;
	const struct tls_context_options options = {
		.role = TLS_SERVER,
		.files = {tls->credentials, tls->key, tls->ca, tls->crl},
		.reloaded = on_reloaded,
		.user = link,
		.key_log = link->key_log,
	};

	return tls_context_new(link->loop, &options, &link->context, ret_error);
}

int control_open(struct link *link, const struct endpoint *local, char **ret_error)
{
	const struct tls_config *tls = &link->config->tls;
	struct control_server_options options = {
		.tls = {.local = *local,
			.limits = tls->limits.connections,
			.rule_count = tls->rule_count,
			.channels_max = 2 * link->config->switches_max},
		.lease = {.grace_ns = tls->grace_ns},
		.sessions_max = link->config->switches_max,
		.key_log = link->key_log,
	};
	int r = init_schemas(link);

	memcpy(options.tls.rules, tls->rules, sizeof(tls->rules));
	if (r == 0)
		r = open_context(link, ret_error);
	if (r == 0)
		r = control_server_new(link->loop, link->context, &options, &callbacks, link,
			&link->control, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "cannot listen for agents: %s", strerror(-r));
	link->look_timer = (struct loop_timer){.fn = on_look, .user = link};
	loop_arm_timer(link->loop, &link->look_timer, clock_monotonic_ns() + LOOK_NS);
	return 0;
}

void control_stop(struct link *link)
{
	if (link->control)
		control_server_leave(link->control);
}

void control_close(struct link *link)
{
	loop_disarm_timer(&link->look_timer);
	if (link->control)
		control_server_free(link->control);
	if (link->context)
		tls_context_free(link->context);
}
