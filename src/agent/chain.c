// SPDX-License-Identifier: BSD-2-Clause
#include "agent/chain.h"

#include "agent/preflight.h"
#include "base/error.h"
#include "base/log.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#define LINKS_MAX  256
#define DETACH_MS  5000 /* far longer than the keeper takes */
#define REASON_MAX 256

struct chained {
	struct xdp_program *program;
	enum xdp_attach_mode mode;
	int ifindex;
};

struct chain {
	unsigned int priority;
	struct chained items[LINKS_MAX];
	unsigned int count;
	int keeper_fd; /* -1: this process detaches by itself */
	bool detached;
};

/* ---- making it ---- */

static int print_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	enum log_level ours = level == LIBXDP_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG;

	if (!log_enabled(ours) || vasprintf(&text, fmt, ap) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	log_message(ours, "%s", text);
	return 0;
}

int chain_new(unsigned int priority, struct chain **ret_chain, char **ret_error)
{
	struct chain *chain;

	if (!preflight_is_admin())
		return error_set(ret_error, -EPERM,
			"--chain: CAP_SYS_ADMIN is missing, by which libxdp finds the other "
			"programs");
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) != 1)
		return error_set(ret_error, -EOPNOTSUPP,
			"--chain: this kernel cannot run several XDP programs on an interface (it "
			"has no BPF_PROG_TYPE_EXT: that takes BTF, a JIT and BPF trampolines)");
	chain = calloc(1, sizeof(*chain));
	if (!chain)
		return -ENOMEM;
	libxdp_set_print(print_libxdp);
	chain->priority = priority;
	chain->keeper_fd = -1;
	*ret_chain = chain;
	return 0;
}

static void detach_all(struct chain *chain)
{
	for (unsigned int i = 0; i < chain->count; i++) {
		const struct chained *item = &chain->items[i];
		int r = xdp_program__detach(item->program, item->ifindex, item->mode, 0);

		if (r < 0 && r != -ENODEV && r != -ENOENT)
			log_error("cannot detach from the dispatcher ifindex=%d reason=\"%s\"",
				item->ifindex, strerror(-r));
	}
}

void chain_free(struct chain *chain)
{
	if (!chain)
		return;
	chain_detach(chain);
	for (unsigned int i = 0; i < chain->count; i++)
		xdp_program__close(chain->items[i].program);
	if (chain->keeper_fd >= 0)
		close(chain->keeper_fd);
	free(chain);
}

/* ---- attaching ---- */

static int explain(const struct interface *interface, int error, char **ret_error)
{
	char reason[REASON_MAX];

	if (error == -EBUSY || error == -EEXIST)
		return error_set(ret_error, -EBUSY,
			"%s: another XDP program is attached there, and not by way of libxdp's "
			"dispatcher; `bpftool net` names it; it has to be loaded by xdp-loader, "
			"or detached",
			interface->name);
	libxdp_strerror(error, reason, sizeof(reason));
	return error_set(ret_error, error,
		"%s: cannot be given a place in libxdp's dispatcher: %s (libxdp's own words are in "
		"the lines above)",
		interface->name, reason);
}

static int attach_in(struct chained *item, enum xdp_attach_mode mode)
{
	item->mode = mode;
	return xdp_program__attach(item->program, item->ifindex, mode, 0);
}

/* The dispatcher that is there already has a mode, which is ours then. */
static int attach_auto(struct chained *item)
{
	struct xdp_multiprog *others = xdp_multiprog__get_from_ifindex(item->ifindex);
	int r;

	if (libxdp_get_error(others) == 0) {
		r = attach_in(item, xdp_multiprog__attach_mode(others));
		xdp_multiprog__close(others);
		return r;
	}
	r = attach_in(item, XDP_MODE_NATIVE);
	if (r != -EOPNOTSUPP && r != -ERANGE && r != -EINVAL)
		return r;
	log_warning("the driver refuses native XDP, so generic is used, which costs more "
		    "ifindex=%d reason=\"%s\"",
		item->ifindex, strerror(-r));
	return attach_in(item, XDP_MODE_SKB);
}

/* Of the object's forms the one that is to be loaded. */
static struct xdp_program *program_of(struct bpf_object *object)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = object);
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		if (bpf_program__autoload(program))
			options.prog_name = bpf_program__name(program);
	}
	return xdp_program__create(&options);
}

int chain_attach(struct chain *chain, const struct interface *interface, struct bpf_object *object,
	enum attach_mode *mode, char **ret_error)
{
	struct chained *item = &chain->items[chain->count];
	int r;

	if (chain->count == LINKS_MAX)
		return -EMFILE;
	*item = (struct chained){.ifindex = interface->ifindex};
	item->program = program_of(object);
	r = (int)libxdp_get_error(item->program);
	if (r == 0)
		r = xdp_program__set_run_prio(item->program, chain->priority);
	if (r < 0)
		return explain(interface, r, ret_error);
	if (*mode == ATTACH_AUTO)
		r = attach_auto(item);
	else
		r = attach_in(item, *mode == ATTACH_NATIVE ? XDP_MODE_NATIVE : XDP_MODE_SKB);
	if (r < 0) {
		xdp_program__close(item->program);
		return explain(interface, r, ret_error);
	}
	chain->count++;
	*mode = item->mode == XDP_MODE_NATIVE ? ATTACH_NATIVE : ATTACH_GENERIC;
	log_info("attached interface=%s ifindex=%d mode=%s chain=yes priority=%u", interface->name,
		interface->ifindex, attach_mode_name(*mode), chain->priority);
	return 0;
}

/* ---- the keeper ---- */

/* Reads till the agent says so, or is gone; then detaches, and says that it has. */
_Noreturn static void keeper_main(struct chain *chain, int fd)
{
	char byte;

	/* What ends the agent by hand must not end this first. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "keeper");
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	detach_all(chain);
	(void)!write(fd, "d", 1);
	_exit(0);
}

int chain_keep(struct chain *chain)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -errno;
	}
	if (pid == 0) {
		close(fds[0]);
		keeper_main(chain, fds[1]);
	}
	close(fds[1]);
	/* Nobody waits for it, and nobody need: it ends after us. */
	signal(SIGCHLD, SIG_IGN);
	chain->keeper_fd = fds[0];
	return 0;
}

static void let_keeper_detach(struct chain *chain)
{
	struct pollfd poll_fd = {.fd = chain->keeper_fd, .events = POLLIN};
	char byte;

	if (write(chain->keeper_fd, "d", 1) != 1 || poll(&poll_fd, 1, DETACH_MS) != 1 ||
		read(chain->keeper_fd, &byte, 1) != 1)
		log_error("the keeper does not answer: it may not have detached");
}

void chain_detach(struct chain *chain)
{
	if (chain->detached)
		return;
	chain->detached = true;
	if (chain->keeper_fd >= 0)
		let_keeper_detach(chain);
	else
		detach_all(chain);
}
