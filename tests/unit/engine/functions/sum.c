// SPDX-License-Identifier: BSD-2-Clause
/* Functions for tests/unit/engine/test_engine.c. `syn` carries a number, `udp` an order. */
#include <netlambda/function.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One table of handlers serves all languages, and C has its own idea of what main() takes. */
int sum_main(const struct lambda_event *event, struct lambda_context *context) __asm__("main");

lambda_handler slow, ordered, alerts, surroundings, prints, chatters;
lambda_batch_handler mainBatch;

enum order {
	ORDER_EXIT = 1,
	ORDER_THROW,
	ORDER_HANG,
	ORDER_LOOP,
	ORDER_GARBAGE,
	ORDER_THROW_LATE,
	ORDER_MEMORY,
};

static void spin(void)
{
	for (volatile unsigned int i = 0;; i++)
		;
}

static int obey(enum order order, struct lambda_context *context)
{
	void *volatile memory; /* or compilers may take it that nobody needs it, and that it is there */

	switch (order) {
	case ORDER_EXIT:
		exit(3);
	case ORDER_THROW:
		return lambda_fail(context, "Error: as told");
	case ORDER_HANG:
		pause();
		return 0;
	case ORDER_LOOP:
		spin();
		return 0;
	case ORDER_GARBAGE:
		if (write(3, "\xff\xff\xff\xff this is no frame at all", 27) > 0)
			spin();
		return 0;
	case ORDER_MEMORY:
		memory = malloc(2000U << 20);
		return lambda_fail(context, "allocation %s", memory ? "succeeded" : "failed");
	case ORDER_THROW_LATE:
		lambda_counter_add(context, "sum", 1000000);
		lambda_alert(context, &(struct lambda_alert){.title = "must not be seen"});
		return lambda_fail(context, "after a write");
	}
	return 0;
}

/* Adds syn up by source and keeps the last one. */
int sum_main(const struct lambda_event *event, struct lambda_context *context)
{
	int r = obey(event->port->udp, context);

	lambda_counter_add(context, "sum", event->port->syn);
	lambda_set_number(context, "last", event->port->syn);
	return r;
}

/* As main, with many events at once. Those that shall throw are said to have failed. */
int mainBatch(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	for (size_t i = 0; i < count; i++)
		(void)sum_main(&events[i], contexts[i]);
	return 0;
}

int slow(const struct lambda_event *event, struct lambda_context *context)
{
	usleep(2000);
	return sum_main(event, context);
}

/* As main, for sources whose events carry 0, 1, 2 ... in `syn`: keeps what came out of that order. */
int ordered(const struct lambda_event *event, struct lambda_context *context)
{
	double next = lambda_get_number(context, "last", -1) + 1;
	int r = obey(event->port->udp, context);

	if (r == 0 && event->port->syn != next)
		lambda_set_text(context, "odd",
			lambda_format(context, "%u instead of %.0f", event->port->syn, next));
	lambda_counter_add(context, "sum", 1);
	lambda_set_number(context, "last", event->port->syn);
	return r;
}

int alerts(const struct lambda_event *event, struct lambda_context *context)
{
	lambda_alert(
		context, &(struct lambda_alert){
				 .severity = "high",
				 .title = "first",
				 .category = "test",
				 .data = lambda_format(context, "{\"syn\": %u}", event->port->syn),
			 });
	lambda_alert(
		context, &(struct lambda_alert){.title = "second", .srcip = "", .dstport = 99});
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *environment(struct lambda_context *context)
{
	const char *names[64], *list = "";
	size_t count = 0;

	for (char **at = environ; *at && count < 64; at++)
		names[count++] = lambda_format(context, "%.*s", (int)strcspn(*at, "="), *at);
	qsort(names, count, sizeof(names[0]), compare);
	for (size_t i = 0; i < count; i++)
		list = lambda_format(context, "%s%s\"%s\"", list, i > 0 ? "," : "", names[i]);
	return list;
}

static bool has_line(const char *path, const char *line)
{
	char text[256];
	bool found = false;
	FILE *file = fopen(path, "r");

	while (file && fgets(text, sizeof(text), file))
		found |= strcmp(text, line) == 0;
	if (file)
		fclose(file);
	return found;
}

/* Says what it sees of its surroundings. */
int surroundings(const struct lambda_event *event, struct lambda_context *context)
{
	DIR *dir = opendir("/proc/self/fd");
	const char *extra = "";
	struct dirent *entry;
	int count = 0;

	(void)event;
	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		count += fd < 4;
		if (fd >= 4)
			extra = lambda_format(context, "%s%s%d", extra, *extra ? "," : "", fd);
	}
	if (dir)
		closedir(dir);
	lambda_set(context, "seen",
		lambda_format(context,
			"{\"env\":[%s],\"fds\":%d,\"extraFds\":[%s],\"status\":\"%d\",\"group\":%"
			"s}",
			environment(context), count, extra,
			has_line("/proc/self/status", "NoNewPrivs:\t1\n"),
			getpgid(0) == getpid() ? "true" : "false"));
	return 0;
}

/* A MiB, in lines of 64 bytes. */
int chatters(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event;
	(void)context;
	for (unsigned int i = 0; i < 16384; i++)
		printf("%063u\n", i);
	return 0;
}

int prints(const struct lambda_event *event, struct lambda_context *context)
{
	char many[5001];

	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	lambda_log(context, "told %u\033[31m", event->port->syn);
	fprintf(stderr, "%s\n", many);
	return 0;
}
