// SPDX-License-Identifier: BSD-2-Clause
#include "agent/preflight.h"

#include "base/log.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15
#define MEMCG_MINOR  11 /* from here on maps count into the memory cgroup */

static bool has_capability(const struct __user_cap_data_struct *data, unsigned int capability)
{
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON (capabilities(7)). */
static bool has_or_admin(const struct __user_cap_data_struct *data, unsigned int capability)
{
	return has_capability(data, capability) || has_capability(data, CAP_SYS_ADMIN);
}

bool preflight_is_admin(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capget, &header, data) < 0 || has_capability(data, CAP_SYS_ADMIN);
}

int preflight_capabilities(char **ret_error)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	bool bpf, perfmon, net;

	if (syscall(SYS_capget, &header, data) < 0)
		return 0; /* the kernel will say no by itself */
	bpf = has_or_admin(data, CAP_BPF);
	perfmon = has_or_admin(data, CAP_PERFMON);
	net = has_capability(data, CAP_NET_ADMIN);
	if (bpf && perfmon && net)
		return 0;
	if (asprintf(ret_error,
		    "not permitted: missing%s%s%s; run as root, or in the systemd unit set "
		    "AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_NET_ADMIN",
		    bpf ? "" : " CAP_BPF", perfmon ? "" : " CAP_PERFMON",
		    net ? "" : " CAP_NET_ADMIN") < 0)
		*ret_error = NULL;
	return -EPERM;
}

void kernel_version_parse(const char *release, unsigned long *ret_major, unsigned long *ret_minor)
{
	char *rest = NULL;

	*ret_major = strtoul(release, &rest, 10);
	*ret_minor = *rest == '.' ? strtoul(rest + 1, NULL, 10) : 0;
}

static bool is_older(unsigned long major, unsigned long minor, unsigned long than_minor)
{
	return major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < than_minor);
}

static void raise_memlock(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit limit;

	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	log_warning("before Linux 5.11 maps count into the limit of locked memory, and it cannot "
		    "be raised; in the systemd unit set LimitMEMLOCK=infinity limit_bytes=%llu",
		(unsigned long long)limit.rlim_cur);
}

bool preflight_kernel_is_old(void)
{
	struct utsname name;
	unsigned long major, minor;

	if (uname(&name) < 0)
		return false;
	kernel_version_parse(name.release, &major, &minor);
	return is_older(major, minor, KERNEL_MINOR);
}

/* Which option was chosen that would make a difference, no kernel says; so the guard is for all. */
bool preflight_kernel_is_realtime(void)
{
	struct utsname name;

	return uname(&name) == 0 && strstr(name.version, "PREEMPT_RT");
}

void preflight_kernel(void)
{
	struct utsname name;
	unsigned long major, minor;

	if (uname(&name) < 0)
		return;
	kernel_version_parse(name.release, &major, &minor);
	if (is_older(major, minor, KERNEL_MINOR))
		log_warning("this kernel is older than %d.%d, the oldest that is supported; "
			    "loading may fail release=%s",
			KERNEL_MAJOR, KERNEL_MINOR, name.release);
	if (is_older(major, minor, MEMCG_MINOR))
		raise_memlock();
}

static _Thread_local struct {
	char *text;
	size_t size;
} capture;

void preflight_capture(char *text, size_t size)
{
	capture.text = text;
	capture.size = size;
	if (text)
		text[0] = '\0';
}

static void take_kernel_words(const char *message)
{
	static const char prefix[] = "Kernel error message: ";
	const char *words = strstr(message, prefix);

	if (!words)
		return;
	snprintf(capture.text, capture.size, "%s", words + strlen(prefix));
	capture.text[strcspn(capture.text, "\n")] = '\0';
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	enum log_level ours = level == LIBBPF_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG;
	_cleanup_free_ char *text = NULL;
	char *rest, *line;

	if (!capture.text && !log_enabled(ours))
		return 0;
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return 0;
	}
	if (capture.text) {
		take_kernel_words(text);
		return 0;
	}
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0])
			log_message(ours, "%s", line);
	return 0;
}

void preflight_route_libbpf(void)
{
	libbpf_set_print(print_libbpf);
}
