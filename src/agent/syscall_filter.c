// SPDX-License-Identifier: BSD-2-Clause
#include "agent/syscall_filter.h"

#include "base/allow_list.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

/* ---- whatever the arguments ---- */

static const int plain[] = {
	/* waiting, and time */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(futex),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(membarrier),
	/* what is open already */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fcntl),
	SCMP_SYS(getdents64),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(bind),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo), /* the C library, to choose a way to sort */
	/* the thread itself */
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Only where statistics are written to a file; which, is for Landlock and the file's owner to say. */
static const int writing[] = {
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
};

/* ---- with one argument looked at ---- */

#define WORD ALLOWED_WORD

static const struct allowed_where restricted[] = {
	/* Nothing that can be executed is mapped. */
	{SCMP_SYS(mmap), 2, PROT_EXEC, 0},
	{SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_NAME},
	/* To read. */
	{SCMP_SYS(open), 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
	{SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
	/* About interfaces, and (by stdio) whether this is a terminal. */
	{SCMP_SYS(ioctl), 1, WORD, SIOCETHTOOL},
	{SCMP_SYS(ioctl), 1, WORD, SIOCGIFMTU},
	{SCMP_SYS(ioctl), 1, WORD, SIOCGIFNAME},
	{SCMP_SYS(ioctl), 1, WORD, TCGETS},
	/* Maps, and links of programs that were loaded before. */
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_LOOKUP_ELEM},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_UPDATE_ELEM},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_DELETE_ELEM},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_GET_NEXT_KEY},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_LOOKUP_AND_DELETE_ELEM},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_LOOKUP_BATCH},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_LOOKUP_AND_DELETE_BATCH},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_UPDATE_BATCH},
	{SCMP_SYS(bpf), 0, WORD, BPF_MAP_DELETE_BATCH},
	{SCMP_SYS(bpf), 0, WORD, BPF_OBJ_GET_INFO_BY_FD},
	{SCMP_SYS(bpf), 0, WORD, BPF_PROG_GET_FD_BY_ID},
	{SCMP_SYS(bpf), 0, WORD, BPF_LINK_CREATE},
	{SCMP_SYS(bpf), 0, WORD, BPF_LINK_DETACH},
};

/* abort() sends a signal to itself, and to nobody else. */
static int allow_abort(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)getpid()));
}

static int allow_sockets(scmp_filter_ctx ctx, bool notifies_manager)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, AF_NETLINK),
		SCMP_A2(SCMP_CMP_MASKED_EQ, WORD, NETLINK_ROUTE));

	if (r == 0 && notifies_manager)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, AF_UNIX),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM));
	return r;
}

static int allow_connecting(scmp_filter_ctx ctx)
{
	static const int connecting[] = {SCMP_SYS(connect), SCMP_SYS(shutdown)};
	static const int families[] = {AF_INET, AF_INET6};
	int r = allow_calls(ctx, connecting, ARRAY_SIZE(connecting));

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)families[i]),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
	return r;
}

static int allow_writing(scmp_filter_ctx ctx)
{
	int r = allow_calls(ctx, writing, ARRAY_SIZE(writing));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_WRONLY));
	return r;
}

static int allow_pins(scmp_filter_ctx ctx)
{
	static const int removing[] = {SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir)};
	int r = allow_calls(ctx, removing, ARRAY_SIZE(removing));

	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
			       SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, BPF_OBJ_PIN));
}

int syscall_filter_load(const struct syscall_filter_options *options)
{
	_cleanup_(filter_release) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = allow_calls(ctx, plain, ARRAY_SIZE(plain));
	if (r == 0)
		r = allow_calls_where(ctx, restricted, ARRAY_SIZE(restricted));
	if (r == 0)
		r = allow_abort(ctx);
	if (r == 0)
		r = allow_sockets(ctx, options->notifies_manager);
	if (r == 0 && options->connects)
		r = allow_connecting(ctx);
	if (r == 0 && options->writes_files)
		r = allow_writing(ctx);
	if (r == 0 && options->pins)
		r = allow_pins(ctx);
	return r < 0 ? r : seccomp_load(ctx);
}
