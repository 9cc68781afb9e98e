// SPDX-License-Identifier: BSD-2-Clause
#include "agent/attach.h"

#include "agent/advice.h"
#include "agent/foreign.h"
#include "agent/interfaces.h"
#include "agent/preflight.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/suggest.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define NAMES_MAX  1024 /* interfaces among which one is suggested */
#define REASON_MAX 1536
#define GRACE_US   50000 /* far longer than a CPU stays in one read-side section */

static const char *const mode_names[] = {
	[ATTACH_AUTO] = "auto",
	[ATTACH_NATIVE] = "native",
	[ATTACH_GENERIC] = "generic",
};

const char *attach_mode_name(enum attach_mode mode)
{
	return mode_names[mode];
}

int attach_mode_parse(const char *name, enum attach_mode *ret_mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*ret_mode = (enum attach_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int no_such_interface(const char *name, char **ret_error)
{
	struct if_nameindex *list = if_nameindex();
	const char *names[NAMES_MAX];
	const char *near;
	size_t count = 0;
	int r;

	while (list && count < NAMES_MAX && list[count].if_index != 0) {
		names[count] = list[count].if_name;
		count++;
	}
	near = suggest_nearest(name, names, count);
	if (near)
		r = error_set(ret_error, -ENODEV, "%s: no such interface (did you mean \"%s\"?)",
			name, near);
	else
		r = error_set(ret_error, -ENODEV,
			"%s: no such interface (`ip -brief link` lists them)", name);
	if (list)
		if_freenameindex(list);
	return r;
}

int interface_find(const char *name, char **ret_error)
{
	unsigned int ifindex = if_nametoindex(name);

	return ifindex == 0 ? no_such_interface(name, ret_error) : (int)ifindex;
}

/* The kernel calls an interface that is gone an invalid argument, as it does some refusals. */
static int link_create(int ifindex, int program_fd, enum attach_mode mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		.flags = mode == ATTACH_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &options);
	int r = fd < 0 ? -errno : fd;

	return r == -EINVAL && interface_is_gone(ifindex) ? -ENODEV : r;
}

/* Errors that another mode would only repeat. */
static bool is_final(int error)
{
	return error == -EPERM || error == -EBUSY || error == -EEXIST || error == -ENODEV ||
	       error == -ENOMEM;
}

/*
 * The kernel says why it refuses, but not to those who ask for a link. So ask once more the old way;
 * should that succeed, the obstacle has just gone, and the program is taken away again.
 */
static void ask_reason(int ifindex, int program_fd, char *reason, size_t size)
{
	const uint32_t flags = XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = program_fd);

	preflight_capture(reason, size);
	if (bpf_xdp_attach(ifindex, program_fd, flags | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL) == 0)
		(void)bpf_xdp_detach(ifindex, flags, &options);
	preflight_capture(NULL, 0);
}

/* Why native XDP is refused, and what to do about it. */
static void write_reason(
	const char *name, int ifindex, int program_fd, int error, char text[REASON_MAX])
{
	struct interface_facts facts;
	char advice[ADVICE_MAX], kernel[256];

	ask_reason(ifindex, program_fd, kernel, sizeof(kernel));
	facts_gather(name, &facts);
	/* Most drivers that mind the MTU say something else than that they have no XDP. */
	if (error == -EOPNOTSUPP && !strcasestr(kernel, "MTU"))
		facts.mtu = 0;
	advice_write(&facts, true, advice);
	snprintf(text, REASON_MAX, "%s%s%s%s%s", strerror(-error), kernel[0] ? ": " : "", kernel,
		advice[0] ? "; " : "", advice);
}

/* Native where the driver can; else generic, and that is said. Returns the link and its mode. */
static int create_auto(const char *name, int ifindex, int program_fd, enum attach_mode *ret_mode)
{
	char reason[REASON_MAX];
	int fd = link_create(ifindex, program_fd, ATTACH_NATIVE);

	if (fd >= 0 || is_final(fd)) {
		*ret_mode = ATTACH_NATIVE;
		return fd;
	}
	write_reason(name, ifindex, program_fd, fd, reason);
	log_warning("the driver refuses native XDP, so generic is used, which costs more "
		    "interface=%s reason=\"%s\"",
		name, reason);
	*ret_mode = ATTACH_GENERIC;
	return link_create(ifindex, program_fd, ATTACH_GENERIC);
}

/* What does not keep the program away, but from counting well. */
static void warn_of_traps(const char *name)
{
	struct interface_facts facts;
	char advice[ADVICE_MAX];

	facts_gather(name, &facts);
	advice_write(&facts, false, advice);
	if (advice[0])
		log_warning("hint interface=%s: %s", name, advice);
}

static int create_link(const char *name, int ifindex, int program_fd, enum attach_mode wanted,
	enum attach_mode *ret_mode)
{
	int fd;

	if (wanted == ATTACH_AUTO) {
		fd = create_auto(name, ifindex, program_fd, ret_mode);
	} else {
		*ret_mode = wanted;
		fd = link_create(ifindex, program_fd, wanted);
	}
	/* In auto mode, generic is the answer to a refusal, which gave all the advice. */
	if (fd >= 0 && *ret_mode != (wanted == ATTACH_AUTO ? ATTACH_GENERIC : ATTACH_AUTO))
		warn_of_traps(name);
	return fd;
}

static int refuse_foreign(const char *name, const struct foreign *foreign, char **ret_error)
{
	/* The name that libxdp's dispatcher has. Displacing it would displace all that it runs. */
	if (strcmp(foreign->name, "xdp_dispatcher") == 0)
		return error_set(ret_error, -EBUSY,
			"%s: libxdp's dispatcher (id %u) runs other XDP programs there, and this "
			"agent cannot be one of them; `xdp-loader status %s` lists them; detach "
			"them, or displace them all with --force",
			name, foreign->program_id, name);
	if (strcmp(foreign->name, "netlambda_count") == 0 ||
		strcmp(foreign->name, "netlambda_alone") == 0)
		return error_set(ret_error, -EBUSY,
			"%s: a netlambda-agent counts there (program %u), or one with --pin left "
			"it counting: go on with that by --pin, or end it by netlambda-agent "
			"--unpin",
			name, foreign->program_id);
	return error_set(ret_error, -EBUSY,
		"%s: XDP program \"%s\" (id %u) is attached already, and not by this agent; "
		"detach it (`bpftool net` shows its owner), or displace it with --force",
		name, foreign->name, foreign->program_id);
}

static int explain(const struct attachment *attachment, int program_fd, enum attach_mode wanted,
	char **ret_error)
{
	const char *name = attachment->name;
	int error = attachment->link_fd;
	char reason[REASON_MAX];

	if (error == -EPERM)
		return error_set(ret_error, error,
			"%s: not permitted to attach XDP programs; CAP_NET_ADMIN is needed", name);
	if (error == -EBUSY || error == -EEXIST)
		return error_set(ret_error, error,
			"%s: an XDP program has just been attached by somebody else", name);
	if (wanted != ATTACH_NATIVE || error == -ENODEV)
		return error_set(ret_error, error, "%s: cannot attach: %s", name, strerror(-error));
	write_reason(name, attachment->ifindex, program_fd, error, reason);
	return error_set(ret_error, error,
		"%s: the driver refuses native XDP: %s (--mode generic works everywhere, but "
		"costs more)",
		name, reason);
}

/* Makes room for this agent's program, or refuses to. */
static int clear_foreign(
	const char *name, int ifindex, bool force, struct attachment *attachment, char **ret_error)
{
	struct foreign foreign;
	int r = foreign_find(ifindex, &foreign);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(
			ret_error, r, "%s: cannot ask for its XDP program: %s", name, strerror(-r));
	if (!force)
		return refuse_foreign(name, &foreign, ret_error);
	r = foreign_detach(ifindex, &foreign, &attachment->displaced_fd);
	if (r < 0)
		return error_set(ret_error, r, "%s: cannot detach XDP program \"%s\" (id %u): %s",
			name, foreign.name, foreign.program_id, strerror(-r));
	attachment->displaced_flags = foreign.flags;
	log_warning("displaced an XDP program interface=%s program=%s id=%u put_back_at_exit=%s",
		name, foreign.name, foreign.program_id,
		attachment->displaced_fd >= 0 ? "yes" : "no");
	return 0;
}

static void put_back(struct attachment *attachment)
{
	int r;

	if (attachment->displaced_fd < 0)
		return;
	r = bpf_xdp_attach(
		attachment->ifindex, attachment->displaced_fd, attachment->displaced_flags, NULL);
	if (r < 0 && r != -ENODEV)
		log_error("cannot put the displaced XDP program back interface=%s reason=\"%s\"",
			attachment->name, strerror(-r));
	close(TAKE_FD(attachment->displaced_fd));
}

int attachment_open_index(const char *name, int ifindex, int program_fd,
	const struct attach_options *options, struct attachment *ret_attachment, char **ret_error)
{
	struct attachment attachment = {.ifindex = ifindex, .link_fd = -1, .displaced_fd = -1};
	int r;

	snprintf(attachment.name, sizeof(attachment.name), "%s", name);
	r = clear_foreign(name, ifindex, options->force, &attachment, ret_error);
	if (r < 0)
		return r;
	attachment.link_fd =
		create_link(name, ifindex, program_fd, options->mode, &attachment.mode);
	if (attachment.link_fd < 0) {
		put_back(&attachment);
		return explain(&attachment, program_fd, options->mode, ret_error);
	}
	log_info("attached interface=%s ifindex=%d mode=%s", name, ifindex,
		attach_mode_name(attachment.mode));
	*ret_attachment = attachment;
	return 0;
}

int attachment_open(const char *name, int program_fd, const struct attach_options *options,
	struct attachment *ret_attachment, char **ret_error)
{
	int ifindex = interface_find(name, ret_error);

	return ifindex < 0 ? ifindex
			   : attachment_open_index(
				     name, ifindex, program_fd, options, ret_attachment, ret_error);
}

/* -ENOENT: the kernel has no program there. */
static int mode_in_force(int ifindex, enum attach_mode *ret_mode)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int r = bpf_xdp_query(ifindex, 0, &query);

	if (r < 0)
		return r;
	if (!query.drv_prog_id && !query.skb_prog_id)
		return -ENOENT;
	*ret_mode = query.drv_prog_id ? ATTACH_NATIVE : ATTACH_GENERIC;
	return 0;
}

int attachment_resume(const struct interface *interface, int program_fd,
	const struct attach_options *options, int link_fd, struct attachment *ret_attachment)
{
	struct attachment attachment = {
		.ifindex = interface->ifindex, .link_fd = link_fd, .displaced_fd = -1};
	int r = mode_in_force(interface->ifindex, &attachment.mode);

	if (r < 0)
		return r;
	if (options->mode != ATTACH_AUTO && options->mode != attachment.mode)
		return -ENOTSUP;
	if (bpf_link_update(link_fd, program_fd, NULL) < 0)
		return -errno;
	snprintf(attachment.name, sizeof(attachment.name), "%s", interface->name);
	log_info("attached interface=%s ifindex=%d mode=%s resumed=yes", attachment.name,
		attachment.ifindex, attach_mode_name(attachment.mode));
	*ret_attachment = attachment;
	return 0;
}

void attachment_leave(struct attachment *attachment)
{
	if (attachment->link_fd >= 0)
		close(TAKE_FD(attachment->link_fd));
}

int attach_link_index(int link_fd)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &size) < 0 || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	return (int)info.xdp.ifindex;
}

int attach_detach_link(int link_fd)
{
	return bpf_link_detach(link_fd) < 0 ? -errno : 0;
}

void attachment_disable(struct attachment *attachment)
{
	if (attachment->link_fd >= 0)
		(void)bpf_link_detach(attachment->link_fd);
}

/* Programs run inside an RCU read-side section, and this waits for all that have begun. */
void attach_wait_unused(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(GRACE_US); /* a kernel with nohz_full= has no such wait */
}

void attachment_close(struct attachment *attachment)
{
	attachment->is_chained = false;
	if (attachment->link_fd < 0)
		return;
	/* Closing would do, but this has happened when it returns. */
	attachment_disable(attachment);
	close(TAKE_FD(attachment->link_fd));
	put_back(attachment);
}

bool attachment_is_open(const struct attachment *attachment)
{
	return attachment->link_fd >= 0 || attachment->is_chained;
}

bool attachment_is_alive(const struct attachment *attachment)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	if (attachment->is_chained)
		return true; /* to look takes what was given up */

	/* The kernel clears the index when the device is unregistered, or the link detached. */
	return bpf_obj_get_info_by_fd(attachment->link_fd, &info, &size) < 0 ||
	       info.xdp.ifindex != 0;
}
