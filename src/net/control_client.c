// SPDX-License-Identifier: BSD-2-Clause
#include "net/control_client.h"

#include "net/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK_NS         300000000ULL    /* the least between two HELLOs */
#define STALE_NS       2000000000ULL   /* before the place is taken back that another took ... */
#define STALE_GROWTHS  6               /* ... and so often twice as long, each time that ... */
#define STALE_AGAIN_NS 300000000000ULL /* ... it is taken again within this time */

/* A connection and what is said on it. */
struct conversation {
	struct control_client *client;
	struct tls_channel *channel;
	struct v2_control_agent talk;
	struct loop_timer timer;
	uint64_t opened_ns;
	struct conversation *next; /* the newest first */
};

struct control_client {
	struct loop *loop;
	struct tls_context *context;
	struct tls_client *tls;
	const struct control_client_callbacks *callbacks;
	void *user;
	struct v2_alive_config alive;
	struct key_log *key_log;
	struct conversation *conversations;
	struct loop_timer timer; /* the session's */
	struct v2_lease lease;
	struct tls_grant grant;
	struct v2_aead *aead;            /* the session's; NULL: there is none */
	struct conversation *session_on; /* where it was welcomed; NULL: that is gone */
	uint64_t boot;                   /* of the incarnation that asks; 0: it has not asked yet */
	uint64_t ask_at_ns;
	uint64_t stale_ns;    /* as in the options */
	uint64_t stale_at_ns; /* when our place was taken last; 0: never */
	unsigned int stale_growths;
	uint64_t patient_until_ns; /* until then we leave it to the other */
	bool leaving;
};

static void look_after_session(struct control_client *client);

static void note(struct control_client *client, const struct control_note *note)
{
	if (client->callbacks->note)
		client->callbacks->note(client->user, note);
}

/* ---- the session ---- */

static void end_session(struct control_client *client)
{
	struct v2_aead *aead = TAKE_PTR(client->aead);

	v2_lease_end(&client->lease);
	tls_grant_end(&client->grant);
	client->session_on = NULL;
	if (!aead)
		return;
	client->callbacks->close(client->user);
	v2_aead_free(aead);
}

static void on_grant_ended(struct tls_grant *grant, enum tls_end end)
{
	struct control_client *client = grant->user;

	note(client,
		&(struct control_note){
			.what = "session ended", .end = end, .why = "the server's certificate"});
	end_session(client);
}

static void on_session_timer(struct loop_timer *timer, uint64_t now_ns)
{
	struct control_client *client = timer->user;

	if (v2_lease_over(&client->lease, now_ns)) {
		note(client,
			&(struct control_note){.what = "session ended", .why = "its time is over"});
		end_session(client);
	} else if (v2_lease_wants_renewal(&client->lease, now_ns)) {
		tls_client_renew(client->tls);
	}
	look_after_session(client);
}

static void look_after_session(struct control_client *client)
{
	uint64_t at = v2_lease_next_time(&client->lease, loop_now_ns(client->loop));

	if (at == UINT64_MAX)
		loop_disarm_timer(&client->timer);
	else
		loop_arm_timer(client->loop, &client->timer, at);
}

/* ---- what is said ---- */

static void on_talk_timer(struct loop_timer *timer, uint64_t now_ns);

static void forget(struct conversation *conversation)
{
	struct control_client *client = conversation->client;
	struct conversation **at = &client->conversations;

	while (*at != conversation)
		at = &(*at)->next;
	*at = conversation->next;
	loop_disarm_timer(&conversation->timer);
	if (client->session_on == conversation) {
		client->session_on = NULL;
		v2_lease_lost(&client->lease, loop_now_ns(client->loop));
		look_after_session(client);
	}
	free(conversation);
}

/* Says what there is to say; closes the channel behind the last word, or if nobody is there. */
static void talk_on(struct conversation *conversation)
{
	struct control_client *client = conversation->client;
	uint64_t now = loop_now_ns(client->loop), at;
	uint8_t message[V2_CONTROL_MAX];
	size_t size;

	while (tls_channel_has_room(conversation->channel, sizeof(message)) &&
		(size = v2_control_agent_poll(&conversation->talk, now, message, sizeof(message))) >
			0)
		if (tls_channel_send(conversation->channel, message, size) < 0)
			break;
	if (v2_control_agent_dead(&conversation->talk, now)) {
		note(client, &(struct control_note){.what = "connection closed",
				     .peer = tls_channel_peer(conversation->channel),
				     .why = "the server does not answer"});
	} else if (!v2_control_agent_left(&conversation->talk)) {
		at = v2_control_agent_next_time(&conversation->talk);
		/* 0: there was no room; the channel tells when there is. */
		if (at > 0)
			loop_arm_timer(client->loop, &conversation->timer, at);
		return;
	}
	tls_channel_close(conversation->channel);
	forget(conversation);
}

static void on_talk_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	talk_on(timer->user);
}

static void ask(struct conversation *conversation)
{
	struct control_client *client = conversation->client;
	uint64_t now = loop_now_ns(client->loop);
	struct v2_hello hello = {0};

	if (now < client->patient_until_ns)
		return;
	client->callbacks->hello(client->user, &hello);
	hello.cipher_count = v2_aead_ciphers(hello.ciphers);
	client->boot = hello.boot;
	if (v2_control_agent_open(&conversation->talk, &hello, now))
		client->ask_at_ns = now + ASK_NS;
}

/* ---- what is heard ---- */

/* The session is on this connection now: the others have no use any more. */
static void leave_others(struct conversation *conversation)
{
	struct conversation *other = conversation->client->conversations, *next;

	for (; other; other = next) {
		next = other->next;
		if (other == conversation)
			continue;
		v2_control_agent_leave(&other->talk, V2_BYE_RENEWED, V2_OK);
		talk_on(other);
	}
}

/* How long another agent is left in our place. */
static uint64_t be_patient(struct control_client *client)
{
	uint64_t now = loop_now_ns(client->loop), pause;

	if (client->stale_at_ns == 0 || now > client->stale_at_ns + STALE_AGAIN_NS)
		client->stale_growths = 0;
	pause = client->stale_ns << client->stale_growths;
	client->stale_growths = MIN(client->stale_growths + 1, STALE_GROWTHS);
	client->stale_at_ns = now;
	client->patient_until_ns = now + pause;
	return pause;
}

static void restart(struct conversation *conversation, enum v2_error why)
{
	struct control_client *client = conversation->client;
	uint64_t pause_ns = why == V2_STALE_EPOCH ? be_patient(client) : 0;

	end_session(client);
	client->boot = 0;
	client->callbacks->restart(client->user, why, pause_ns);
	ask(conversation);
}

/* Puts a session into the place of the one before, if the caller takes it. */
static enum v2_error take_session(struct conversation *conversation, struct v2_aead *aead)
{
	struct control_client *client = conversation->client;
	uint64_t now_ns = loop_now_ns(client->loop);
	struct v2_seal seal = v2_aead_seal(aead);
	enum v2_error error = client->callbacks->open(client->user,
		tls_channel_peer(conversation->channel), &conversation->talk.welcome, &seal);

	if (error != V2_OK) {
		v2_aead_free(aead);
		return error;
	}
	if (client->aead)
		v2_aead_free(client->aead);
	client->aead = aead;
	client->session_on = conversation;
	v2_lease_begin(&client->lease, conversation->opened_ns, now_ns, random_bits(NULL));
	tls_client_settled(client->tls);
	if (v2_lease_wants_renewal(&client->lease, now_ns))
		tls_client_renew(client->tls);
	return V2_OK;
}

static void welcomed(struct conversation *conversation)
{
	struct control_client *client = conversation->client;
	const struct v2_welcome *welcome = &conversation->talk.welcome;
	struct v2_aead *aead;
	enum v2_error error;

	tls_grant_end(&client->grant);
	if (tls_grant_copy(&client->grant, tls_channel_grant(conversation->channel)) < 0 ||
		session_keys_new(conversation->channel, TLS_CLIENT, welcome->session,
			welcome->cipher, client->key_log, &aead) < 0) {
		end_session(client);
		v2_control_agent_leave(&conversation->talk, V2_BYE_DONE, V2_OK);
		return;
	}
	error = take_session(conversation, aead);
	note(client, &(struct control_note){
			     .what = error == V2_OK ? "session opened" : "session refused",
			     .peer = tls_channel_peer(conversation->channel),
			     .error = error,
			     .why = v2_cipher_name(welcome->cipher)});
	if (error == V2_OK)
		leave_others(conversation);
	else if (v2_error_action(error) == V2_ACTION_RESTART)
		restart(conversation, error);
	else
		v2_control_agent_leave(&conversation->talk, V2_BYE_ERROR, error);
	look_after_session(client);
}

static void refused(struct conversation *conversation, enum v2_error error)
{
	struct control_client *client = conversation->client;

	note(client, &(struct control_note){.what = "refused by the server",
			     .peer = tls_channel_peer(conversation->channel),
			     .error = error});
	if (v2_error_action(error) == V2_ACTION_RESTART)
		restart(conversation, error);
	else
		v2_control_agent_leave(&conversation->talk, V2_BYE_DONE, V2_OK);
}

/*
 * It is the answer to an earlier incarnation, which had asked on two connections: marks and session are
 * not ours.
 */
static bool answers_another(
	const struct conversation *conversation, const struct v2_control_event *event)
{
	return (event->type == V2_CONTROL_WELCOMED || event->type == V2_CONTROL_WAS_REFUSED) &&
	       conversation->talk.hello.boot != conversation->client->boot;
}

/* True if the conversation goes on. */
static bool act(struct conversation *conversation, const struct v2_control_event *event)
{
	struct control_client *client = conversation->client;

	if (answers_another(conversation, event)) {
		ask(conversation);
		return true;
	}
	switch (event->type) {
	case V2_CONTROL_WELCOMED:
		welcomed(conversation);
		return true;
	case V2_CONTROL_WAS_REFUSED:
		refused(conversation, event->error);
		return true;
	case V2_CONTROL_SET:
		v2_control_agent_applied(&conversation->talk,
			client->callbacks->set(client->user, &conversation->talk.settings));
		return true;
	case V2_CONTROL_LEFT:
		note(client, &(struct control_note){.what = "connection closed by the server",
				     .peer = tls_channel_peer(conversation->channel),
				     .bye = event->bye,
				     .error = event->error});
		if (v2_bye_ends_session(event->bye))
			end_session(client);
		tls_channel_close(conversation->channel);
		forget(conversation);
		return false;
	default:
		return true;
	}
}

static void on_message(void *user, struct tls_channel *channel, const uint8_t *bytes, size_t size)
{
	struct conversation *conversation = tls_channel_user(channel);
	struct control_client *client = user;
	struct v2_control_event event;
	enum v2_error error = v2_control_agent_receive(
		&conversation->talk, loop_now_ns(client->loop), bytes, size, &event);

	if (error != V2_OK) {
		note(client, &(struct control_note){.what = "the server is not understood",
				     .peer = tls_channel_peer(channel),
				     .error = error});
		v2_control_agent_leave(&conversation->talk, V2_BYE_ERROR, error);
	} else if (!act(conversation, &event)) {
		return;
	}
	talk_on(conversation);
}

/* ---- connections ---- */

static void on_opened(void *user, struct tls_channel *channel)
{
	struct control_client *client = user;
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	const struct v2_control_agent_config config = {
		.alive = client->alive,
		.describe = client->callbacks->describe,
		.user = client->user,
	};

	if (!conversation || client->leaving) {
		free(conversation);
		tls_channel_close(channel);
		return;
	}
	conversation->client = client;
	conversation->channel = channel;
	conversation->opened_ns = loop_now_ns(client->loop);
	conversation->timer = (struct loop_timer){.fn = on_talk_timer, .user = conversation};
	conversation->next = client->conversations;
	client->conversations = conversation;
	tls_channel_set_user(channel, conversation);
	v2_control_agent_init(&conversation->talk, &config, conversation->opened_ns);
	note(client,
		&(struct control_note){.what = "connected", .peer = tls_channel_peer(channel)});
	ask(conversation);
	talk_on(conversation);
}

static void on_writable(void *user _unused_, struct tls_channel *channel)
{
	talk_on(tls_channel_user(channel));
}

/* Whether the end is the peer's certificate's, and the session's therefore. */
static bool ends_session(enum tls_end end)
{
	return end == TLS_EXPIRED || end == TLS_REVOKED || end == TLS_UNTRUSTED;
}

static void on_closed(void *user, struct tls_channel *channel, enum tls_end end, const char *why)
{
	struct conversation *conversation = tls_channel_user(channel);
	struct control_client *client = user;

	note(client, &(struct control_note){.what = "connection lost",
			     .peer = tls_channel_peer(channel),
			     .end = end,
			     .why = why});
	if (ends_session(end))
		end_session(client);
	forget(conversation);
}

static void on_failed(void *user, const struct endpoint *address, enum tls_end end, const char *why)
{
	note(user, &(struct control_note){
			   .what = "cannot connect", .address = address, .end = end, .why = why});
}

static const struct tls_callbacks tls_callbacks = {
	.opened = on_opened,
	.message = on_message,
	.writable = on_writable,
	.closed = on_closed,
	.failed = on_failed,
};

/* ---- for the caller ---- */

int control_client_new(struct loop *loop, struct tls_context *context,
	const struct control_client_options *options,
	const struct control_client_callbacks *callbacks, void *user,
	struct control_client **ret_client)
{
	struct control_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->context = context;
	client->callbacks = callbacks;
	client->user = user;
	client->alive = options->alive;
	client->alive.random = random_bits;
	client->key_log = options->key_log;
	client->stale_ns = options->stale_ns ? options->stale_ns : STALE_NS;
	client->timer = (struct loop_timer){.fn = on_session_timer, .user = client};
	client->grant.ended = on_grant_ended;
	client->grant.user = client;
	v2_lease_init(&client->lease, &options->lease);
	r = tls_client_new(loop, context, &options->tls, &tls_callbacks, client, &client->tls);
	if (r < 0) {
		free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

void control_client_free(struct control_client *client)
{
	tls_client_free(client->tls);
	while (client->conversations)
		forget(client->conversations);
	loop_disarm_timer(&client->timer);
	tls_grant_end(&client->grant);
	if (client->aead)
		v2_aead_free(client->aead);
	free(client);
}

void control_client_want_session(struct control_client *client)
{
	if (!client->conversations || loop_now_ns(client->loop) < client->ask_at_ns)
		return;
	ask(client->conversations);
	talk_on(client->conversations);
}

void control_client_break(struct control_client *client, enum v2_error error)
{
	struct conversation *conversation = client->session_on;

	end_session(client);
	look_after_session(client);
	if (!conversation)
		return;
	v2_control_agent_leave(&conversation->talk, V2_BYE_ERROR, error);
	talk_on(conversation);
}

void control_client_renew(struct control_client *client)
{
	tls_client_renew(client->tls);
}

void control_client_leave(struct control_client *client)
{
	client->leaving = true;
	tls_client_stop(client->tls);
	while (client->conversations) {
		struct conversation *conversation = client->conversations;

		v2_control_agent_leave(&conversation->talk, V2_BYE_DONE, V2_OK);
		talk_on(conversation);
		/* There was no room for it: then without a word. */
		if (client->conversations == conversation) {
			tls_channel_close(conversation->channel);
			forget(conversation);
		}
	}
}

bool control_client_connected(const struct control_client *client)
{
	return client->conversations != NULL;
}

struct tls_client *control_client_tls(struct control_client *client)
{
	return client->tls;
}
