// SPDX-License-Identifier: BSD-2-Clause
#include "net/control_server.h"

#include "base/table.h"
#include "net/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TICK_NS      250000000ULL
#define SESSIONS_MAX 4096

/* A connection and what is said on it. */
struct conversation {
	struct control_server *server;
	struct tls_channel *channel;
	struct v2_control_server talk;
	bool unlearned; /* the caller does not take the layout of its records */
	uint32_t switch_id;
	uint64_t opened_ns, ticket;
	struct conversation *next, **link;
};

struct session {
	struct table_entry entry;
	uint32_t switch_id;
	struct control_server *server;
	struct conversation *on; /* where it was welcomed; NULL: that is gone */
	struct v2_lease lease;
	struct tls_grant grant;
	struct session *next, **link;
};

struct control_server {
	struct loop *loop;
	struct tls_server *tls;
	const struct control_server_callbacks *callbacks;
	void *user;
	struct v2_alive_config alive;
	struct v2_lease_config lease;
	struct key_log *key_log;
	struct loop_timer tick;
	struct conversation *conversations;
	struct table table; /* of sessions by switch */
	struct session *sessions;
	unsigned int sessions_max;
	uint64_t tickets;
	struct control_server_stats stats;
};

static void note(struct control_server *server, const struct control_note *note)
{
	if (server->callbacks->note)
		server->callbacks->note(server->user, note);
}

/* ---- sessions ---- */

static struct session *find_session(const struct control_server *server, uint32_t switch_id)
{
	struct table_entry *entry = table_find(&server->table, &switch_id);

	return entry ? container_of(entry, struct session, entry) : NULL;
}

static void free_session(struct session *session)
{
	table_remove(&session->server->table, &session->entry);
	*session->link = session->next;
	if (session->next)
		session->next->link = session->link;
	tls_grant_end(&session->grant);
	free(session);
}

static void end_session(struct session *session, enum tls_end end, const char *why)
{
	struct control_server *server = session->server;
	uint32_t switch_id = session->switch_id;
	const struct tls_peer *peer = session->on ? tls_channel_peer(session->on->channel) : NULL;

	server->stats.over++;
	note(server, &(struct control_note){.what = "session ended",
			     .peer = peer,
			     .switch_id = switch_id,
			     .end = end,
			     .why = why});
	free_session(session);
	server->callbacks->over(server->user, switch_id);
}

static void on_grant_ended(struct tls_grant *grant, enum tls_end end);

static struct session *new_session(struct control_server *server, uint32_t switch_id)
{
	struct session *session;

	if (server->table.count >= server->sessions_max)
		return NULL;
	session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	session->server = server;
	session->switch_id = switch_id;
	session->grant.ended = on_grant_ended;
	session->grant.user = session;
	v2_lease_init(&session->lease, &server->lease);
	table_insert(&server->table, &session->entry);
	session->next = server->sessions;
	session->link = &server->sessions;
	if (session->next)
		session->next->link = &session->next;
	server->sessions = session;
	return session;
}

/* The session is welcomed on this connection, whatever there was before. */
static int begin_session(struct conversation *conversation)
{
	struct control_server *server = conversation->server;
	struct session *session = find_session(server, conversation->switch_id);
	bool fresh = !session;

	if (fresh)
		session = new_session(server, conversation->switch_id);
	if (!session)
		return -ENOBUFS;
	tls_grant_end(&session->grant);
	if (tls_grant_copy(&session->grant, tls_channel_grant(conversation->channel)) < 0) {
		if (fresh)
			free_session(session);
		else
			end_session(session, TLS_UNTRUSTED, "the switch's certificate");
		return -ENOENT;
	}
	session->on = conversation;
	v2_lease_begin(&session->lease, conversation->opened_ns, loop_now_ns(server->loop), 0);
	return 0;
}

/* ---- what is said ---- */

/* Its channel may be gone already. */
static void forget(struct conversation *conversation)
{
	struct control_server *server = conversation->server;
	struct session *session = find_session(server, conversation->switch_id);

	*conversation->link = conversation->next;
	if (conversation->next)
		conversation->next->link = conversation->link;
	if (session && session->on == conversation) {
		session->on = NULL;
		v2_lease_lost(&session->lease, loop_now_ns(server->loop));
	}
	free(conversation);
}

/* Says what there is to say; closes the channel behind the last word. False: it is gone. */
static bool talk_on(struct conversation *conversation)
{
	uint64_t now = loop_now_ns(conversation->server->loop);
	uint8_t message[V2_CONTROL_MAX];
	size_t size;

	while (tls_channel_has_room(conversation->channel, sizeof(message)) &&
		(size = v2_control_server_poll(
			 &conversation->talk, now, message, sizeof(message))) > 0)
		if (tls_channel_send(conversation->channel, message, size) < 0)
			break;
	if (!v2_control_server_left(&conversation->talk))
		return true;
	tls_channel_close(conversation->channel);
	forget(conversation);
	return false;
}

static bool leave(struct conversation *conversation, enum v2_bye bye, enum v2_error error)
{
	v2_control_server_leave(&conversation->talk, bye, error);
	return talk_on(conversation);
}

static void on_grant_ended(struct tls_grant *grant, enum tls_end end)
{
	struct session *session = grant->user;
	struct conversation *conversation = session->on;

	end_session(session, end, "the switch's certificate");
	if (conversation)
		(void)leave(conversation, V2_BYE_REVOKED, V2_OK);
}

static void set(struct conversation *conversation)
{
	struct control_server *server = conversation->server;
	struct v2_settings settings = {0};

	server->callbacks->settings(
		server->user, tls_channel_peer(conversation->channel)->switch_id, &settings);
	v2_control_server_set(&conversation->talk, &settings);
}

static struct conversation *find_conversation(const struct control_server *server, uint64_t ticket)
{
	struct conversation *conversation = server->conversations;

	while (conversation && conversation->ticket != ticket)
		conversation = conversation->next;
	return conversation && conversation->talk.asked ? conversation : NULL;
}

int control_server_keys(struct control_server *server, uint64_t ticket, uint64_t session,
	uint8_t cipher, struct v2_aead **ret_aead)
{
	struct conversation *conversation = find_conversation(server, ticket);
	int r;

	if (!conversation)
		return -ENOENT;
	r = session_keys_new(
		conversation->channel, TLS_SERVER, session, cipher, server->key_log, ret_aead);
	/* The agent shall not wait for an answer that does not come. */
	if (r < 0)
		(void)leave(conversation, V2_BYE_BUSY, V2_OK);
	return r;
}

int control_server_welcome(
	struct control_server *server, uint64_t ticket, const struct v2_welcome *welcome)
{
	struct conversation *conversation = find_conversation(server, ticket);
	int r = conversation ? begin_session(conversation) : -ENOENT;

	if (r < 0) {
		if (conversation)
			(void)leave(conversation, V2_BYE_BUSY, V2_OK);
		return r;
	}
	server->stats.welcomed++;
	note(server, &(struct control_note){.what = "session opened",
			     .peer = tls_channel_peer(conversation->channel),
			     .why = v2_cipher_name(welcome->cipher)});
	v2_control_server_welcome(&conversation->talk, welcome);
	set(conversation);
	(void)talk_on(conversation);
	return 0;
}

static void note_refused(struct conversation *conversation, enum v2_error error)
{
	conversation->server->stats.refused++;
	note(conversation->server, &(struct control_note){.what = "session refused",
					   .peer = tls_channel_peer(conversation->channel),
					   .error = error});
}

void control_server_refuse(struct control_server *server, uint64_t ticket, enum v2_error error)
{
	struct conversation *conversation = find_conversation(server, ticket);

	if (!conversation)
		return;
	note_refused(conversation, error);
	v2_control_server_refuse(&conversation->talk, error);
	(void)talk_on(conversation);
}

void control_server_dismiss(struct control_server *server, uint64_t ticket, enum v2_bye bye)
{
	struct conversation *conversation = find_conversation(server, ticket);

	if (conversation)
		(void)leave(conversation, bye, V2_OK);
}

/* ---- what is heard ---- */

static void hear_last_word(struct conversation *conversation, const struct v2_control_event *event)
{
	struct control_server *server = conversation->server;
	struct session *session = find_session(server, conversation->switch_id);

	note(server, &(struct control_note){.what = "connection closed by the agent",
			     .peer = tls_channel_peer(conversation->channel),
			     .bye = event->bye,
			     .error = event->error});
	if (v2_bye_ends_session(event->bye) && session && session->on == conversation)
		end_session(session, TLS_END_NONE, "the agent says so");
	tls_channel_close(conversation->channel);
	forget(conversation);
}

/* Another session on it would have keys from the same handshake still. */
static bool is_too_old(const struct conversation *conversation)
{
	const struct control_server *server = conversation->server;
	uint64_t age = server->lease.age_ns ? server->lease.age_ns : V2_AGE_NS;

	return loop_now_ns(server->loop) - conversation->opened_ns >= age;
}

/* True if the conversation goes on. */
static bool act(struct conversation *conversation, const struct v2_control_event *event)
{
	struct control_server *server = conversation->server;

	switch (event->type) {
	case V2_CONTROL_ASKED:
		if (is_too_old(conversation)) {
			(void)leave(conversation, V2_BYE_DONE, V2_OK);
			return false;
		}
		/* The answer may come within: it goes by the ticket. */
		conversation->ticket = ++server->tickets;
		server->callbacks->asked(server->user, conversation->ticket,
			tls_channel_peer(conversation->channel), &conversation->talk.hello);
		return false;
	case V2_CONTROL_SET_DONE:
		server->callbacks->set_done(
			server->user, conversation->switch_id, &conversation->talk.result);
		return true;
	case V2_CONTROL_LEFT:
		hear_last_word(conversation, event);
		return false;
	default:
		if (event->error != V2_OK)
			note_refused(conversation, event->error);
		return true;
	}
}

static void on_message(void *user, struct tls_channel *channel, const uint8_t *bytes, size_t size)
{
	struct conversation *conversation = tls_channel_user(channel);
	struct control_server *server = user;
	struct v2_control_event event;
	enum v2_error error = v2_control_server_receive(
		&conversation->talk, loop_now_ns(server->loop), bytes, size, &event);

	if (error != V2_OK) {
		if (conversation->unlearned)
			server->stats.refused++;
		else
			server->stats.bad_messages++;
		note(server, &(struct control_note){.what = conversation->unlearned
								    ? "session refused"
								    : "an agent is not understood",
				     .peer = tls_channel_peer(channel),
				     .error = error});
		(void)leave(conversation, V2_BYE_ERROR, error);
		return;
	}
	if (act(conversation, &event))
		(void)talk_on(conversation);
}

/* ---- connections ---- */

static bool knows(void *user, const struct v2_schema *schema)
{
	const struct control_server *server = ((struct conversation *)user)->server;

	return server->callbacks->knows(server->user, schema);
}

static enum v2_error learn(
	void *user, const struct v2_schema *schema, const uint8_t *description, size_t size)
{
	struct conversation *conversation = user;
	const struct control_server *server = conversation->server;
	enum v2_error error = server->callbacks->learn(server->user, schema, description, size);

	conversation->unlearned = error != V2_OK;
	return error;
}

static void on_opened(void *user, struct tls_channel *channel)
{
	struct control_server *server = user;
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	const struct v2_control_server_config config = {
		.alive = server->alive,
		.knows = knows,
		.learn = learn,
		.user = conversation,
	};

	if (!conversation) {
		tls_channel_close(channel);
		return;
	}
	conversation->server = server;
	conversation->channel = channel;
	conversation->switch_id = tls_channel_peer(channel)->switch_id;
	conversation->opened_ns = loop_now_ns(server->loop);
	conversation->next = server->conversations;
	conversation->link = &server->conversations;
	if (conversation->next)
		conversation->next->link = &conversation->next;
	server->conversations = conversation;
	tls_channel_set_user(channel, conversation);
	v2_control_server_init(&conversation->talk, &config, conversation->opened_ns);
	note(server,
		&(struct control_note){.what = "connected", .peer = tls_channel_peer(channel)});
	(void)talk_on(conversation);
}

static void on_replaced(void *user _unused_, struct tls_channel *channel)
{
	(void)leave(tls_channel_user(channel), V2_BYE_REPLACED, V2_OK);
}

static void on_writable(void *user _unused_, struct tls_channel *channel)
{
	(void)talk_on(tls_channel_user(channel));
}

static void on_closed(void *user, struct tls_channel *channel, enum tls_end end, const char *why)
{
	note(user, &(struct control_note){.what = "connection lost",
			   .peer = tls_channel_peer(channel),
			   .end = end,
			   .why = why});
	/* Of what its certificate ends, the session's own grant tells. */
	forget(tls_channel_user(channel));
}

static void on_failed(void *user, const struct endpoint *address, enum tls_end end, const char *why)
{
	note(user, &(struct control_note){
			   .what = "refused a peer", .address = address, .end = end, .why = why});
}

static const struct tls_callbacks tls_callbacks = {
	.opened = on_opened,
	.message = on_message,
	.replaced = on_replaced,
	.writable = on_writable,
	.closed = on_closed,
	.failed = on_failed,
};

/* True if it goes on. */
static bool look_after_conversation(struct conversation *conversation, uint64_t now_ns)
{
	if (!v2_control_server_dead(&conversation->talk, now_ns))
		return talk_on(conversation);
	note(conversation->server, &(struct control_note){.what = "connection closed",
					   .peer = tls_channel_peer(conversation->channel),
					   .why = "the agent does not answer"});
	tls_channel_close(conversation->channel);
	forget(conversation);
	return false;
}

/* Both lists may change while callbacks run: whatever ends begins its list again. */
static void on_tick(struct loop_timer *timer, uint64_t now_ns)
{
	struct control_server *server = timer->user;
	struct conversation *conversation = server->conversations;
	struct session *session = server->sessions;

	while (conversation)
		conversation = look_after_conversation(conversation, now_ns)
				       ? conversation->next
				       : server->conversations;
	while (session) {
		if (!v2_lease_over(&session->lease, now_ns)) {
			session = session->next;
			continue;
		}
		end_session(session, TLS_END_NONE, "its time is over");
		session = server->sessions;
	}
	loop_arm_timer(server->loop, timer, now_ns + TICK_NS);
}

/* ---- for the caller ---- */

static int init_table(struct control_server *server)
{
	struct siphash_key secret;

	if (getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -errno;
	return table_init(&server->table, server->sessions_max,
		offsetof(struct session, switch_id) - offsetof(struct session, entry),
		sizeof(uint32_t), &secret);
}

int control_server_new(struct loop *loop, struct tls_context *context,
	const struct control_server_options *options,
	const struct control_server_callbacks *callbacks, void *user,
	struct control_server **ret_server, char **ret_error)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->callbacks = callbacks;
	server->user = user;
	server->alive = options->alive;
	server->alive.random = random_bits;
	server->lease = options->lease;
	server->key_log = options->key_log;
	server->sessions_max = options->sessions_max ? options->sessions_max : SESSIONS_MAX;
	server->tick = (struct loop_timer){.fn = on_tick, .user = server};
	r = init_table(server);
	if (r == 0)
		r = tls_server_new(loop, context, &options->tls, &tls_callbacks, server,
			&server->tls, ret_error);
	if (r < 0) {
		table_done(&server->table);
		free(server);
		return r;
	}
	loop_arm_timer(loop, &server->tick, loop_now_ns(loop) + TICK_NS);
	*ret_server = server;
	return 0;
}

void control_server_free(struct control_server *server)
{
	tls_server_free(server->tls);
	loop_disarm_timer(&server->tick);
	while (server->sessions)
		free_session(server->sessions);
	while (server->conversations)
		forget(server->conversations);
	table_done(&server->table);
	free(server);
}

void control_server_limit(struct control_server *server, const struct tls_server_limits *limits)
{
	tls_server_limit(server->tls, limits);
}

void control_server_settings_changed(struct control_server *server)
{
	struct conversation *conversation = server->conversations;

	while (conversation) {
		set(conversation);
		conversation = talk_on(conversation) ? conversation->next : server->conversations;
	}
}

void control_server_expel(
	struct control_server *server, uint32_t switch_id, enum v2_bye bye, enum v2_error error)
{
	struct conversation *conversation = server->conversations;
	struct session *session = find_session(server, switch_id);

	if (session)
		end_session(session, TLS_END_NONE, v2_bye_name(bye));
	while (conversation) {
		bool goes_on = true;

		if (conversation->switch_id == switch_id &&
			conversation->talk.alive.bye == V2_BYE_NONE)
			goes_on = leave(conversation, bye, error);
		conversation = goes_on ? conversation->next : server->conversations;
	}
}

void control_server_leave(struct control_server *server)
{
	struct conversation *conversation = server->conversations;

	tls_server_stop(server->tls);
	while (conversation) {
		bool goes_on = leave(conversation, V2_BYE_DONE, V2_OK);

		conversation = goes_on ? conversation->next : server->conversations;
	}
}

bool control_server_connected(const struct control_server *server, uint32_t switch_id)
{
	const struct session *session = find_session(server, switch_id);

	return session && session->on;
}

void control_server_stats(
	const struct control_server *server, struct control_server_stats *ret_stats)
{
	*ret_stats = server->stats;
	tls_server_stats(server->tls, &ret_stats->tls);
	ret_stats->sessions = (unsigned int)server->table.count;
	for (const struct session *s = server->sessions; s; s = s->next)
		ret_stats->sessions_alone += s->on == NULL;
}

int control_server_address(const struct control_server *server, struct endpoint *ret_local)
{
	return tls_server_address(server->tls, ret_local);
}
