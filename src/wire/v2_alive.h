/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_ALIVE_H
#define WIRE_V2_ALIVE_H

/*
 * What both ends of a control connection do alike: find out whether the peer is still there, say why
 * they leave, and keep unknown messages possible. Part of v2_control_agent.h and v2_control_server.h,
 * which give it the messages that are not theirs and ask it for more when they have none to send. And
 * what they tell their callers.
 */

#include "wire/v2_message.h"

#define V2_PING_NS   10000000000ULL /* nothing heard for so long: PING */
#define V2_DEAD_NS   30000000000ULL /* still nothing: the connection is dead */
#define V2_ANSWER_NS 15000000000ULL /* what a peer may take for an answer that it owes */

struct v2_alive_config {
	uint64_t ping_ns, dead_ns, answer_ns; /* 0: the usual ones */
	uint64_t (*random)(void *user);       /* need not be secret */
	void *random_user;
};

struct v2_alive {
	struct v2_alive_config config;
	uint64_t heard_ns; /* when the last message came, or the connection began */
	uint64_t asked_ns; /* since when an answer is owed; UINT64_MAX: none is */
	bool pinged;       /* since heard_ns */
	bool pong_due;     /* to the last PING */
	uint64_t token;    /* of it */
	bool greased;      /* the message that is to be skipped was sent */
	enum v2_bye bye;   /* to be said, or said */
	enum v2_error error;
	bool left; /* it was said: nothing more is */
};

void v2_alive_init(struct v2_alive *alive, const struct v2_alive_config *config, uint64_t now_ns);

/* A whole message came. */
void v2_alive_heard(struct v2_alive *alive, uint64_t now_ns);
/* An answer is owed by the peer from now on; or came. */
void v2_alive_asked(struct v2_alive *alive, uint64_t now_ns);
void v2_alive_answered(struct v2_alive *alive);
/* PING, PONG, or one to skip. V2_WRONG_WAY: it is another. */
enum v2_error v2_alive_receive(
	struct v2_alive *alive, uint8_t type, const uint8_t *bytes, size_t size) _must_check_;

/* What is to be said at the end, before anything else; the first reason counts. */
void v2_alive_leave(struct v2_alive *alive, enum v2_bye bye, enum v2_error error);
/* The next message, if one is to be sent now. Its size or 0. */
size_t v2_alive_poll(struct v2_alive *alive, uint64_t now_ns, uint8_t *bytes, size_t size);
/* Sets the reserved octet of a message that goes out. Returns `size`. */
size_t v2_alive_grease(struct v2_alive *alive, uint8_t *bytes, size_t size);

/* The peer is gone, or owes an answer for too long: close the connection. */
bool v2_alive_dead(const struct v2_alive *alive, uint64_t now_ns);
/* When to look again at the latest. */
uint64_t v2_alive_next_time(const struct v2_alive *alive);

/* What a message means for the caller of either end. */
enum v2_control_event_type {
	V2_CONTROL_NOTHING, /* nothing that concerns the caller */
	V2_CONTROL_LEFT,    /* the peer's last word: close the channel */
	/* The agent's. */
	V2_CONTROL_WELCOMED,
	V2_CONTROL_WAS_REFUSED, /* `error` says why, and what to do: v2_error_action() */
	V2_CONTROL_SET,         /* apply the settings, then v2_control_agent_applied() */
	/* The server's. */
	V2_CONTROL_ASKED,    /* a HELLO whose schemas are all known: welcome or refuse it */
	V2_CONTROL_SET_DONE, /* what became of the settings */
};

struct v2_control_event {
	enum v2_control_event_type type;
	enum v2_error error; /* of WAS_REFUSED and LEFT */
	enum v2_bye bye;     /* of LEFT */
};

#endif
