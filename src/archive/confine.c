// SPDX-License-Identifier: BSD-2-Clause
#include "archive/confine.h"

#include "base/allow_list.h"
#include "base/landlock.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define CPU_SECONDS  60
#define MEMORY_BYTES (512U << 20)

static int limit(int resource, rlim_t value)
{
	return setrlimit(resource, &(struct rlimit){value, value}) < 0 ? -errno : 0;
}

static int limit_all(uint64_t file_bytes)
{
	int r = limit(RLIMIT_CORE, 0);

	if (r == 0)
		r = limit(RLIMIT_CPU, CPU_SECONDS);
	if (r == 0)
		r = limit(RLIMIT_FSIZE, file_bytes);
#ifndef SANITIZED /* the address sanitizer reserves terabytes */
	if (r == 0)
		r = limit(RLIMIT_AS, MEMORY_BYTES);
#endif
	return r;
}

/* ---- files ---- */

/* A kernel without Landlock has the filter alone. */
static int confine_files(const char *dir)
{
	const struct landlock_denied denied = {
		.files = LANDLOCK_FILES_ALL,
		.tcp = LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT,
		.scope = LANDLOCK_SCOPE_ABSTRACT | LANDLOCK_SCOPE_SIGNALS,
	};
	struct landlock landlock;
	int r = landlock_open(&denied, &landlock);

	if (r == -ENOSYS || r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	r = landlock_allow(&landlock, dir,
		LANDLOCK_READ | LANDLOCK_TRUNCATE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR);
	if (r == 0)
		r = landlock_enforce(&landlock);
	landlock_close(&landlock);
	return r;
}

/* ---- system calls ---- */

static const int plain[] = {
	/* files, below the folder; and what is open already */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fcntl),
	SCMP_SYS(getdents64),
	SCMP_SYS(syncfs),
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo), /* the C library, to choose a way to sort */
	/* the process itself, and time */
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const struct allowed_where restricted[] = {
	/* Nothing that can be executed is mapped. */
	{SCMP_SYS(mmap), 2, PROT_EXEC, 0},
	{SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
};

static int confine_calls(void)
{
	_cleanup_(filter_release) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	r = allow_calls(ctx, plain, ARRAY_SIZE(plain));
	if (r == 0)
		r = allow_calls_where(ctx, restricted, ARRAY_SIZE(restricted));
	/* abort() sends a signal to itself, and to nobody else. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, ALLOWED_WORD, (scmp_datum_t)getpid()));
	return r < 0 ? r : seccomp_load(ctx);
}

int unpack_confine(const char *dir, uint64_t file_bytes)
{
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (r == 0)
		r = limit_all(file_bytes);
#ifndef SANITIZED /* a sanitizer's runtime looks at its own process, by ways that are closed then */
	if (r == 0)
		r = confine_files(dir);
	if (r == 0)
		r = confine_calls();
#else
	(void)dir;
	(void)confine_files;
	(void)confine_calls;
#endif
	return r;
}
