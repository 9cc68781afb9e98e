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
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15

static bool has_capability(const struct __user_cap_data_struct *data, unsigned int capability)
{
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON (capabilities(7)). */
static bool has_or_admin(const struct __user_cap_data_struct *data, unsigned int capability)
{
	return has_capability(data, capability) || has_capability(data, CAP_SYS_ADMIN);
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

void preflight_kernel(void)
{
	struct utsname name;
	char *rest = NULL;
	unsigned long major, minor;

	if (uname(&name) < 0)
		return;
	major = strtoul(name.release, &rest, 10);
	minor = *rest == '.' ? strtoul(rest + 1, NULL, 10) : 0;
	if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		log_warning("this kernel is older than %d.%d, the oldest that is supported; "
			    "loading may "
			    "fail release=%s",
			KERNEL_MAJOR, KERNEL_MINOR, name.release);
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	enum log_level ours = level == LIBBPF_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG;
	_cleanup_free_ char *text = NULL;
	char *rest, *line;

	if (!log_enabled(ours) || vasprintf(&text, fmt, ap) < 0)
		return 0;
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
