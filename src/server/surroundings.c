// SPDX-License-Identifier: BSD-2-Clause
#include "server/surroundings.h"

#include "base/words.h"
#include "launcher/door.h"
#include "launcher/variables.h"
#include "server/config_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHERE_MAX 320

static void where_of(char where[static WHERE_MAX], const char *prefix, const char *key)
{
	snprintf(where, WHERE_MAX, "%s%s", prefix, key);
}

/* ---- network ---- */

static void check_network(
	struct config_reader *reader, const char *where, const char *const *network)
{
	struct door doors[DOORS_MAX], door;

	for (size_t i = 0; network[i]; i++)
		if (door_parse(network[i], &door) < 0)
			reader_fail(reader, where,
				"\"%.280s\": expected a host and a port, as "
				"\"api.example.org:443\", "
				"\"192.0.2.7:8086\" or \"[2001:db8::1]:443\"",
				network[i]);
	if (reader->error_code == 0 && doors_plan(network, doors) == -EEXIST)
		reader_fail(reader, where, "a host and port that are there twice");
}

/* An array of texts, each borrowed; false, with an error: it is none, or too long. */
static bool list_texts(struct config_reader *reader, const char *where, const json_t *json,
	const char *words[static DOORS_MAX + 1])
{
	size_t count = json_array_size(json), i;

	for (i = 0; i < count && count <= DOORS_MAX; i++)
		words[i] = json_string_value(json_array_get(json, i));
	words[i] = NULL;
	if (json_is_array(json) && words_count(words) == count)
		return true;
	reader_fail(
		reader, where, "expected an array of at most %d texts, HOST:PORT each", DOORS_MAX);
	return false;
}

static void read_hosts(struct config_reader *reader, const char *prefix, const json_t *object,
	void (*check)(struct config_reader *, const char *, const char *const *), char ***hosts)
{
	const json_t *json = json_object_get(object, "network");
	const char *words[DOORS_MAX + 1];
	char where[WHERE_MAX];
	char **copy;

	where_of(where, prefix, "network");
	if (!json || reader->error_code != 0 || !list_texts(reader, where, json, words))
		return;
	check(reader, where, words);
	copy = words_copy(words);
	if (!copy) {
		reader_fail(reader, where, "out of memory");
		return;
	}
	words_free(*hosts);
	*hosts = copy;
}

void read_network(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***network)
{
	read_hosts(reader, prefix, object, check_network, network);
}

/* ---- what may be given of it ---- */

/* "HOST" and "PORT" of either; false: there is no ":". */
static bool divide(const char *text, char host[static DOOR_HOST_MAX + 2], const char **ret_port)
{
	const char *colon = strrchr(text, ':');

	if (!colon || colon - text > DOOR_HOST_MAX + 1)
		return false;
	snprintf(host, DOOR_HOST_MAX + 2, "%.*s", (int)(colon - text), text);
	*ret_port = colon + 1;
	return true;
}

/* What stands for several stands, in the check, for one of them. */
static bool pattern_is_valid(const char *pattern)
{
	char host[DOOR_HOST_MAX + 2], one[DOOR_HOST_MAX + 16];
	const char *port, *name = host;
	struct door door;

	if (!divide(pattern, host, &port))
		return false;
	if (strcmp(host, "*") == 0)
		name = "any";
	else if (strncmp(host, "*.", 2) == 0)
		name = host + 2;
	snprintf(one, sizeof(one), "%s:%s", name, strcmp(port, "*") == 0 ? "1" : port);
	return door_parse(one, &door) == 0 && (name == host || door.is_name);
}

static void check_limit(struct config_reader *reader, const char *where, const char *const *limit)
{
	for (size_t i = 0; limit[i]; i++)
		if (!pattern_is_valid(limit[i]))
			reader_fail(reader, where,
				"\"%.280s\": expected a host and a port, as \"192.0.2.7:443\", "
				"\"*.example.org:*\" or \"*:443\"",
				limit[i]);
}

void read_network_limit(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***limit)
{
	read_hosts(reader, prefix, object, check_limit, limit);
}

static bool host_matches(const char *pattern, const char *host, bool is_name)
{
	size_t len = strlen(host), suffix_len;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (*pattern != '*')
		return strcasecmp(pattern, host) == 0;
	suffix_len = strlen(pattern + 1);
	return is_name && len > suffix_len && strcasecmp(host + len - suffix_len, pattern + 1) == 0;
}

bool network_allows(const char *const *limit, const char *entry)
{
	char host[DOOR_HOST_MAX + 2], pattern[DOOR_HOST_MAX + 2];
	const char *port, *pattern_port;
	struct door door;

	if (!limit)
		return true;
	if (door_parse(entry, &door) < 0 || !divide(entry, host, &port))
		return false;
	for (size_t i = 0; limit[i]; i++)
		if (divide(limit[i], pattern, &pattern_port) &&
			(strcmp(pattern_port, "*") == 0 || strcmp(pattern_port, port) == 0) &&
			host_matches(pattern, host, door.is_name))
			return true;
	return false;
}

/* ---- env ---- */

static char **find_variable(char **environment, const char *variable)
{
	while (*environment && !variables_are_same_name(*environment, variable))
		environment++;
	return environment;
}

/* Takes the variable. */
static int put_variable(char ***environment, char *variable)
{
	size_t count = words_count((const char *const *)*environment);
	char **list = reallocarray(*environment, count + 2, sizeof(char *)), **place;

	if (!list) {
		free(variable);
		return -ENOMEM;
	}
	*environment = list;
	list[count] = list[count + 1] = NULL;
	place = find_variable(list, variable);
	free(*place);
	*place = variable;
	return 0;
}

static void read_variable(struct config_reader *reader, const char *where, const char *name,
	const json_t *value, char ***environment)
{
	char *variable;

	if (!variable_name_is_valid(name, strlen(name)))
		reader_fail(reader, where, "expected a name of letters, digits and \"_\"");
	else if (!json_is_string(value))
		reader_fail(reader, where, "expected a text");
	else if (asprintf(&variable, "%s=%s", name, json_string_value(value)) < 0 ||
		 put_variable(environment, variable) < 0)
		reader_fail(reader, where, "out of memory");
}

void read_environment(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***environment)
{
	json_t *json = json_object_get(object, "env"), *value;
	char where[WHERE_MAX];
	const char *name;

	where_of(where, prefix, "env");
	if (!json || reader->error_code != 0)
		return;
	if (!json_is_object(json) || json_object_size(json) > VARIABLES_MAX) {
		reader_fail(reader, where, "expected an object of at most %d texts", VARIABLES_MAX);
		return;
	}
	json_object_foreach (json, name, value) {
		snprintf(where, sizeof(where), "%senv.%.64s", prefix, name);
		read_variable(reader, where, name, value, environment);
	}
	where_of(where, prefix, "env");
	if (reader->error_code == 0 && variables_check((const char *const *)*environment) < 0)
		reader_fail(reader, where, "expected at most %d variables, in %d bytes",
			VARIABLES_MAX, VARIABLES_BYTES_MAX);
}
