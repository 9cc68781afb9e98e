/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_MESSAGE_H
#define WIRE_V2_MESSAGE_H

/*
 * The control messages beside those that open a session (v2_control.h): descriptions of schemas,
 * settings, signs of life, and the last word. docs/protocol-2.md 6.1 and 6.4 to 6.6 is the normative text. Each
 * reader takes one whole message, as v2_framer_next() gives it, and leaves its output untouched on
 * failure; each writer returns the message's size, 0 if it does not fit.
 */

#include "wire/v2_control.h"

#define V2_DESCRIPTION_MAX 2048 /* bytes of a schema's description */
#define V2_SETTINGS_MAX    32

/*
 * V2_OK and the type; what is to be skipped has a type of V2_SKIPPABLE_MIN or above. V2_BAD_CONTROL: a
 * type without meaning, or a length that is not the message's.
 */
enum v2_error v2_get_type(const uint8_t *bytes, size_t size, uint8_t *ret_type) _must_check_;

/* ---- schemas ---- */

struct v2_schema_request {
	uint8_t count; /* 1 to V2_SCHEMAS_MAX */
	uint64_t hashes[V2_SCHEMAS_MAX];
};

struct v2_schema_message {
	uint64_t hash;
	const uint8_t *description; /* borrowed from the message */
	size_t size;                /* 1 to V2_DESCRIPTION_MAX */
};

size_t v2_put_schema_request(uint8_t *bytes, size_t size, const struct v2_schema_request *request);
enum v2_error v2_get_schema_request(
	const uint8_t *bytes, size_t size, struct v2_schema_request *ret_request) _must_check_;
size_t v2_put_schema(uint8_t *bytes, size_t size, const struct v2_schema_message *schema);
enum v2_error v2_get_schema(
	const uint8_t *bytes, size_t size, struct v2_schema_message *ret_schema) _must_check_;

/* ---- settings ---- */

/* What the server sets at its agents. Times are in microseconds; an alarm of 0 is off. */
enum v2_setting_key {
	V2_SETTING_PERIOD = 1,
	V2_SETTING_FLOW_IDLE = 2,
	V2_SETTING_FANOUT = 3, /* the window; 0: off */
	V2_SETTING_SOURCE_HOSTS = 4,
	V2_SETTING_SOURCE_PORTS = 5,
	V2_SETTING_SOURCE_HALF_OPEN = 6,
	V2_SETTING_TARGET_SOURCES = 7,
	V2_SETTING_TARGET_PORTS = 8,
	V2_SETTING_TARGET_HALF_OPEN = 9,
};

struct v2_setting_kind {
	uint16_t key;
	const char *name; /* as configuration files have it */
	uint64_t min, max;
};

/* All of them; NULL for one that there is not. */
extern const struct v2_setting_kind v2_setting_kinds[];
extern const size_t v2_setting_kind_count;
const struct v2_setting_kind *v2_setting_kind(uint16_t key);

struct v2_setting {
	uint16_t key;
	uint64_t value;
};

/*
 * The whole of what is to hold: what is not in it is as the agent's own configuration says. A
 * generation names it; it is not 0, and another set has another one.
 */
struct v2_settings {
	uint64_t generation;
	uint8_t count;
	struct v2_setting list[V2_SETTINGS_MAX];
};

enum v2_settings_status {
	V2_SETTINGS_APPLIED,
	V2_SETTINGS_UNKNOWN_KEY,
	V2_SETTINGS_OUT_OF_BOUNDS,
	V2_SETTINGS_FAILED, /* it is right, and could not be done */
	V2_SETTINGS_STATUSES,
};

const char *v2_settings_status_name(enum v2_settings_status status);

struct v2_settings_result {
	uint64_t generation;
	uint8_t status; /* enum v2_settings_status */
	uint16_t key;   /* at fault; 0: none */
};

/* Keys that this end does not know, from 0x8000 on, are left out; others are for it to refuse. */
size_t v2_put_settings(uint8_t *bytes, size_t size, const struct v2_settings *settings);
/* V2_BAD_PARAMETER: a key twice, or too many. */
enum v2_error v2_get_settings(
	const uint8_t *bytes, size_t size, struct v2_settings *ret_settings) _must_check_;
/* Looks at keys and bounds: V2_SETTINGS_APPLIED if all is right. Sets generation, status and key. */
void v2_check_settings(const struct v2_settings *settings, struct v2_settings_result *ret_result);
size_t v2_put_settings_result(uint8_t *bytes, size_t size, const struct v2_settings_result *result);
enum v2_error v2_get_settings_result(
	const uint8_t *bytes, size_t size, struct v2_settings_result *ret_result) _must_check_;

/* ---- signs of life, and the last word ---- */

/* `type` is V2_CONTROL_PING or V2_CONTROL_PONG. */
size_t v2_put_alive(uint8_t *bytes, size_t size, uint8_t type, uint64_t token);
enum v2_error v2_get_alive(const uint8_t *bytes, size_t size, uint64_t *ret_token) _must_check_;

/* Why an end closes the connection. */
enum v2_bye {
	V2_BYE_NONE,
	V2_BYE_DONE,     /* the program ends, or has no more use of it */
	V2_BYE_RENEWED,  /* another connection has taken its place */
	V2_BYE_REPLACED, /* server: the switch has newer connections */
	V2_BYE_REVOKED,  /* the peer's certificate is not good any more: the session ends too */
	V2_BYE_ERROR,    /* `error` says what was wrong: the session ends too */
	V2_BYE_BUSY,     /* server: come back later */
	V2_BYE_REASONS,
};

const char *v2_bye_name(enum v2_bye bye);
/* Whether the session ends at once, instead of after the time of grace. */
bool v2_bye_ends_session(enum v2_bye bye);

size_t v2_put_bye(uint8_t *bytes, size_t size, enum v2_bye bye, enum v2_error error);
/* A reason that this end does not know is V2_BYE_DONE. */
enum v2_error v2_get_bye(const uint8_t *bytes, size_t size, enum v2_bye *ret_bye,
	enum v2_error *ret_error) _must_check_;

/* A message that no version defines, so that skipping stays possible. */
size_t v2_put_grease_message(uint8_t *bytes, size_t size, uint64_t grease);

#endif
