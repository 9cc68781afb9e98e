// SPDX-License-Identifier: BSD-2-Clause
#include "base/allow_list.h"
#include "launcher/confine.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* CLONE_NEWTIME shares its bit with the signal at the end, so clone() cannot be asked for it. */
#define CLONE_NAMESPACES                                                                           \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |              \
		CLONE_NEWUSER | CLONE_NEWUTS)

/* ---- whatever the arguments ---- */

static const int plain[] = {
	/* what is open */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(preadv2),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(pwritev2),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(lseek),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	SCMP_SYS(sendfile),
	SCMP_SYS(splice),
	SCMP_SYS(tee),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(fadvise64),
	SCMP_SYS(readahead),
	/* waiting */
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd),
	SCMP_SYS(eventfd2),
	SCMP_SYS(signalfd),
	SCMP_SYS(signalfd4),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(inotify_init),
	SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch),
	/* files */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(creat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(getdents),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(chdir),
	SCMP_SYS(fchdir),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(truncate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(utime),
	SCMP_SYS(utimes),
	SCMP_SYS(futimesat),
	SCMP_SYS(utimensat),
	SCMP_SYS(umask),
	SCMP_SYS(getxattr),
	SCMP_SYS(lgetxattr),
	SCMP_SYS(fgetxattr),
	SCMP_SYS(listxattr),
	SCMP_SYS(llistxattr),
	SCMP_SYS(flistxattr),
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(msync),
	SCMP_SYS(mincore),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(membarrier),
	SCMP_SYS(pkey_alloc),
	SCMP_SYS(pkey_free),
	SCMP_SYS(pkey_mprotect),
	/* processes and threads */
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(getpgid),
	SCMP_SYS(getpgrp),
	SCMP_SYS(getsid),
	SCMP_SYS(setpgid),
	SCMP_SYS(setsid),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list),
	SCMP_SYS(futex),
	SCMP_SYS(futex_waitv),
	SCMP_SYS(rseq),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sched_get_priority_max),
	SCMP_SYS(sched_get_priority_min),
	SCMP_SYS(getpriority),
	SCMP_SYS(setpriority),
	SCMP_SYS(getrlimit),
	SCMP_SYS(setrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(times),
	SCMP_SYS(getcpu),
	SCMP_SYS(capget),
	/* signals, to whom the namespace shows */
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(tgkill),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigsuspend),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(pause),
	SCMP_SYS(restart_syscall),
	/* time */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(alarm),
	SCMP_SYS(getitimer),
	SCMP_SYS(setitimer),
	SCMP_SYS(timer_create),
	SCMP_SYS(timer_settime),
	SCMP_SYS(timer_gettime),
	SCMP_SYS(timer_getoverrun),
	SCMP_SYS(timer_delete),
	/* about itself and the system */
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getresuid),
	SCMP_SYS(getresgid),
	SCMP_SYS(getgroups),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrandom),
	/* sockets, of the families that may be made */
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
};

/* ---- with one argument looked at ---- */

#define WORD ALLOWED_WORD

static const struct allowed_where restricted[] = {
	{SCMP_SYS(clone), 0, CLONE_NAMESPACES, 0},
	{SCMP_SYS(socket), 0, WORD, AF_UNIX},
	{SCMP_SYS(socketpair), 0, WORD, AF_UNIX},
	{SCMP_SYS(prlimit64), 0, WORD, 0}, /* its own */
	/* Nothing of terminals but whether it is one. */
	{SCMP_SYS(ioctl), 1, WORD, FIONREAD},
	{SCMP_SYS(ioctl), 1, WORD, FIONBIO},
	{SCMP_SYS(ioctl), 1, WORD, FIOCLEX},
	{SCMP_SYS(ioctl), 1, WORD, FIONCLEX},
	{SCMP_SYS(ioctl), 1, WORD, TCGETS},
	{SCMP_SYS(ioctl), 1, WORD, TIOCGWINSZ},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_NAME},
	{SCMP_SYS(prctl), 0, WORD, PR_GET_NAME},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_VMA},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_PDEATHSIG},
	{SCMP_SYS(prctl), 0, WORD, PR_GET_PDEATHSIG},
	{SCMP_SYS(prctl), 0, WORD, PR_GET_DUMPABLE},
	{SCMP_SYS(prctl), 0, WORD, PR_CAPBSET_READ},
	{SCMP_SYS(prctl), 0, WORD, PR_GET_SECCOMP},
	{SCMP_SYS(prctl), 0, WORD, PR_GET_NO_NEW_PRIVS},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_NO_NEW_PRIVS},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_TIMERSLACK},
	{SCMP_SYS(prctl), 0, WORD, PR_GET_TIMERSLACK},
	{SCMP_SYS(prctl), 0, WORD, PR_SET_THP_DISABLE},
};

/* ---- what a program is told that it may not do ---- */

static const int refused[] = {
	SCMP_SYS(acct),
	SCMP_SYS(add_key),
	SCMP_SYS(adjtimex),
	SCMP_SYS(bpf),
	SCMP_SYS(capset),
	SCMP_SYS(chroot),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(clock_settime),
	SCMP_SYS(delete_module),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(finit_module),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsopen),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kcmp),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(mount),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(move_mount),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(open_tree),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(personality),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(quotactl),
	SCMP_SYS(reboot),
	SCMP_SYS(request_key),
	SCMP_SYS(setdomainname),
	SCMP_SYS(setgroups),
	SCMP_SYS(sethostname),
	SCMP_SYS(setns),
	SCMP_SYS(settimeofday),
	SCMP_SYS(swapoff),
	SCMP_SYS(swapon),
	SCMP_SYS(syslog),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
};

/* ---- sockets ---- */

/* Of each family the kernel may load a module, so the families are few. */
static const int refused_families[] = {AF_NETLINK, AF_PACKET, AF_ALG, AF_BLUETOOTH, AF_VSOCK};

static const struct {
	int type, protocol;
} inet_sockets[] = {
	{SOCK_STREAM, 0},
	{SOCK_STREAM, IPPROTO_TCP},
	{SOCK_DGRAM, 0}, /* none leads anywhere; C libraries sort addresses by them */
	{SOCK_DGRAM, IPPROTO_UDP},
};

static int allow_inet(scmp_filter_ctx filter, int family)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(inet_sockets) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
			SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)inet_sockets[i].type),
			SCMP_A2(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)inet_sockets[i].protocol));
	return r;
}

static int refuse_family(scmp_filter_ctx filter, int family)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, WORD, (scmp_datum_t)family));
}

/* Those of the internet only for who may reach somebody. */
static int rule_sockets(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
	static const int inet_families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(inet_families) && r == 0; i++)
		r = sandbox->door_count > 0 ? allow_inet(filter, inet_families[i])
					    : refuse_family(filter, inet_families[i]);
	for (size_t i = 0; i < ARRAY_SIZE(refused_families) && r == 0; i++)
		r = refuse_family(filter, refused_families[i]);
	return r;
}

static int refuse(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(refused) && r == 0; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0, NULL);
	return r;
}

int confine_calls(const struct sandbox *sandbox, const char **ret_what)
{
	_cleanup_(filter_release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	*ret_what = "building the seccomp filter";
	if (!filter)
		return -ENOMEM;
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	if (r == 0)
		r = allow_calls(filter, plain, ARRAY_SIZE(plain));
	if (r == 0)
		r = allow_calls_where(filter, restricted, ARRAY_SIZE(restricted));
	if (r == 0)
		r = refuse(filter);
	if (r == 0)
		r = rule_sockets(filter, sandbox);
	if (r < 0)
		return r;
	*ret_what = "seccomp";
	return seccomp_load(filter);
}

int confine_to_carrying(void)
{
	static const int calls[] = {
		SCMP_SYS(close),
		SCMP_SYS(exit_group),
		SCMP_SYS(poll),
		SCMP_SYS(ppoll),
		SCMP_SYS(read),
		SCMP_SYS(recvfrom),
		SCMP_SYS(restart_syscall),
		SCMP_SYS(sendto),
		SCMP_SYS(setsockopt),
		SCMP_SYS(shutdown),
	};
	_cleanup_(filter_release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? allow_calls(filter, calls, ARRAY_SIZE(calls)) : -ENOMEM;

	return r < 0 ? r : seccomp_load(filter);
}
