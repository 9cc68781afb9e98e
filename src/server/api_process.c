// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "server/api_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * The server's own process, under the names that Prometheus gives these in every language. What cannot
 * be found out is left out.
 */

static uint64_t time_ns_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * NS_PER_SEC + (uint64_t)time->tv_usec * NS_PER_US;
}

static void put_cpu(struct metrics *metrics)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	metrics_family(metrics, "process_cpu_seconds_total", METRIC_COUNTER,
		"User and system time of the server, without its functions' workers.");
	metrics_sample_seconds(
		metrics, NULL, time_ns_of(&usage.ru_utime) + time_ns_of(&usage.ru_stime));
}

/* proc(5): the second number of statm is the resident pages. */
uint64_t api_process_memory(int pid)
{
	unsigned long pages;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_memory(struct metrics *metrics)
{
	uint64_t bytes = api_process_memory(getpid());

	if (bytes > 0)
		metrics_single(metrics, "process_resident_memory_bytes", METRIC_GAUGE,
			"Resident memory of the server.", bytes);
}

static void put_descriptors(struct metrics *metrics)
{
	DIR *directory = opendir("/proc/self/fd");
	struct rlimit limit;
	uint64_t count = 0;

	if (!directory)
		return;
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	/* Less the one that counted. */
	metrics_single(metrics, "process_open_fds", METRIC_GAUGE, "Open file descriptors.",
		count > 0 ? count - 1 : 0);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_single(metrics, "process_max_fds", METRIC_GAUGE,
			"How many file descriptors may be open.", limit.rlim_cur);
}

void api_put_process_metrics(const struct api *api, struct metrics *metrics)
{
	struct api_status status = {0};

	api->ops->status(api->user, &status);
	metrics_family(metrics, "process_start_time_seconds", METRIC_GAUGE,
		"When the server started, UNIX time.");
	metrics_sample_seconds(metrics, NULL, status.started_ns);
	put_cpu(metrics);
	put_memory(metrics);
	put_descriptors(metrics);
}
