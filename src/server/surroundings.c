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

void read_network(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***network)
{
	const json_t *json = json_object_get(object, "network");
	const char *words[DOORS_MAX + 1];
	char where[WHERE_MAX];
	size_t i, count = json_array_size(json);
	char **copy;

	where_of(where, prefix, "network");
	if (!json || reader->error_code != 0)
		return;
	for (i = 0; i < count && count <= DOORS_MAX; i++)
		words[i] = json_string_value(json_array_get(json, i));
	words[i] = NULL;
	if (!json_is_array(json) || words_count(words) != count) {
		reader_fail(reader, where, "expected an array of at most %d texts, HOST:PORT each",
			DOORS_MAX);
		return;
	}
	check_network(reader, where, words);
	copy = words_copy(words);
	if (!copy) {
		reader_fail(reader, where, "out of memory");
		return;
	}
	words_free(*network);
	*network = copy;
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
