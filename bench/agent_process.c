// SPDX-License-Identifier: BSD-2-Clause
#include "bench/agent_process.h"

#include "base/clock.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_NS    (10 * NS_PER_SEC)
#define MAPS_MAX    64
#define EXIT_NOEXEC 127

/* build/bench/agent -> build/src/agent/netlambda-agent */
static int agent_path(char ret_path[static PATH_MAX])
{
	char own[PATH_MAX - 64];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (length < 0)
		return -errno;
	own[length] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(own, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	snprintf(ret_path, PATH_MAX, "%s/src/agent/netlambda-agent", own);
	return access(ret_path, X_OK) < 0 ? -errno : 0;
}

static bool is_attached(const char *interface)
{
	uint32_t id = 0;

	return bpf_xdp_query_id((int)if_nametoindex(interface), 0, &id) == 0 && id != 0;
}

static int wait_for_start(pid_t pid, const char *interface)
{
	const struct timespec pause = {.tv_nsec = 5 * NS_PER_MS};
	const uint64_t end_ns = clock_monotonic_ns() + START_NS;

	while (clock_monotonic_ns() < end_ns) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return -ECHILD; /* it has said why */
		if (is_attached(interface))
			return 0;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -ETIMEDOUT;
}

pid_t agent_start(const char *interface, const char *server)
{
	char path[PATH_MAX];
	pid_t pid;
	int r = agent_path(path);

	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execl(path, path, "--protocol", "1", "--id", "1", "--interface", interface,
			"--server", server, "--log-level", "error", (char *)NULL);
		_exit(EXIT_NOEXEC);
	}
	r = wait_for_start(pid, interface);
	return r < 0 ? r : pid;
}

int agent_stop(pid_t pid)
{
	int status;

	if (kill(pid, SIGTERM) < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* What /proc/PID/stat gives as utime + stime, but not in ticks of 10 ms. */
int agent_cpu_ns(pid_t pid, uint64_t *ret_ns)
{
	struct timespec time;
	clockid_t clock;
	int r = clock_getcpuclockid(pid, &clock);

	if (r != 0)
		return -r;
	if (clock_gettime(clock, &time) < 0)
		return -errno;
	*ret_ns = (uint64_t)time.tv_sec * NS_PER_SEC + (uint64_t)time.tv_nsec;
	return 0;
}

/* ---- memory ---- */

static FILE *proc_open(pid_t pid, const char *name)
{
	char path[320];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

/* "VmHWM:  1234 kB" */
static int read_peak(pid_t pid, uint64_t *ret_bytes)
{
	FILE *file = proc_open(pid, "status");
	uint64_t kilobytes = 0;
	char line[256];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %" SCNu64, &kilobytes) == 1)
			break;
	fclose(file);
	*ret_bytes = kilobytes * 1024;
	return kilobytes > 0 ? 0 : -ENODATA;
}

/* Array maps that user space has mapped are resident like any other memory. */
static int read_mapped_maps(pid_t pid, uint64_t *ret_bytes)
{
	FILE *file = proc_open(pid, "smaps");
	uint64_t bytes = 0, kilobytes, start, end;
	bool is_map = false;
	char line[512];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			is_map = strstr(line, "bpf-map") != NULL;
		else if (is_map && sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1)
			bytes += kilobytes * 1024;
	}
	fclose(file);
	*ret_bytes = bytes;
	return 0;
}

/* A map's id and size by the kernel's account; false if the descriptor is no map. */
static bool read_map(pid_t pid, const char *fd, uint32_t *ret_id, uint64_t *ret_bytes)
{
	char name[300], line[256];
	bool has_id = false, has_size = false;
	FILE *file;

	snprintf(name, sizeof(name), "fdinfo/%.255s", fd);
	file = proc_open(pid, name);
	while (file && fgets(line, sizeof(line), file)) {
		has_id = has_id || sscanf(line, "map_id: %" SCNu32, ret_id) == 1;
		has_size = has_size || sscanf(line, "memlock: %" SCNu64, ret_bytes) == 1;
	}
	if (file)
		fclose(file);
	return has_id && has_size;
}

static bool is_new(uint32_t id, uint32_t ids[static MAPS_MAX], unsigned int *count)
{
	for (unsigned int i = 0; i < *count; i++)
		if (ids[i] == id)
			return false;
	if (*count < MAPS_MAX)
		ids[(*count)++] = id;
	return true;
}

static int read_maps(pid_t pid, uint64_t *ret_bytes)
{
	uint32_t ids[MAPS_MAX], id = 0;
	uint64_t bytes = 0, size = 0;
	unsigned int count = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (read_map(pid, entry->d_name, &id, &size) && is_new(id, ids, &count))
			bytes += size;
	closedir(dir);
	*ret_bytes = bytes;
	return 0;
}

int agent_memory(pid_t pid, struct agent_memory *ret_memory)
{
	uint64_t peak = 0, mapped = 0, maps = 0;
	int r = read_peak(pid, &peak);

	if (r == 0)
		r = read_mapped_maps(pid, &mapped);
	if (r == 0)
		r = read_maps(pid, &maps);
	if (r < 0)
		return r;
	*ret_memory = (struct agent_memory){
		.process_bytes = peak - MIN(mapped, peak),
		.maps_bytes = maps,
	};
	return 0;
}
