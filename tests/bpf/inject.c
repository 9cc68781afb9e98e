// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/inject.h"

#include "tests/unit/test.h"

#if defined(__x86_64__)

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_BYTES 2   /* of the instruction */
#define RED_ZONE      128 /* below the stack pointer, in use without being reserved */
#define TRIES         1000
#define STRING_MAX    256
#define RESTART_FIRST (-516) /* results that the kernel would turn into a restart: ERESTART... */
#define RESTART_LAST  (-512)

bool inject_is_possible(void)
{
	return true;
}

static void wait_stop(pid_t thread)
{
	int status = 0;

	assert_int_equal(waitpid(thread, &status, __WALL), thread);
	assert_true(WIFSTOPPED(status));
}

static void run_to_next_stop(pid_t thread)
{
	assert_int_equal(ptrace(PTRACE_SYSCALL, thread, NULL, NULL), 0);
	wait_stop(thread);
}

static uint64_t put_string(pid_t thread, uint64_t stack, const char *string)
{
	char words[STRING_MAX] = "";
	uint64_t at = (stack - RED_ZONE - STRING_MAX) & ~(uint64_t)15;

	strncpy(words, string, sizeof(words) - 1);
	for (size_t i = 0; i < sizeof(words); i += sizeof(long)) {
		long word;

		memcpy(&word, words + i, sizeof(word));
		assert_int_equal(ptrace(PTRACE_POKEDATA, thread, at + i, word), 0);
	}
	return at;
}

static long call_once(
	pid_t thread, const struct user_regs_struct *saved, const struct injection *injection)
{
	struct user_regs_struct regs = *saved;
	uint64_t args[6];

	memcpy(args, injection->args, sizeof(args));
	if (injection->string)
		args[injection->string_arg] = put_string(thread, saved->rsp, injection->string);
	/* It waits in a system call: the instruction before is one. */
	regs.rip -= SYSCALL_BYTES;
	regs.rax = (uint64_t)injection->call;
	regs.orig_rax = UINT64_MAX;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	assert_int_equal(ptrace(PTRACE_SETREGS, thread, NULL, &regs), 0);
	run_to_next_stop(thread);
	run_to_next_stop(thread);
	assert_int_equal(ptrace(PTRACE_GETREGS, thread, NULL, &regs), 0);
	return (long)regs.rax;
}

/* A thread that is not in a system call just now is let go on, and stopped a little later. */
static void stop_in_call(pid_t thread, struct user_regs_struct *ret_regs)
{
	for (int i = 0; i < TRIES; i++) {
		assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
		assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
		wait_stop(thread);
		assert_int_equal(ptrace(PTRACE_GETREGS, thread, NULL, ret_regs), 0);
		if ((long)ret_regs->orig_rax >= 0)
			return;
		assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
		usleep(1000);
	}
	fail_msg("thread %d is never in a system call", thread);
}

long inject(pid_t thread, const struct injection *injection)
{
	struct user_regs_struct regs;
	long result;

	stop_in_call(thread, &regs);
	result = call_once(thread, &regs, injection);
	if ((long)regs.rax >= RESTART_FIRST && (long)regs.rax <= RESTART_LAST)
		regs.rax = (uint64_t)-EINTR;
	assert_int_equal(ptrace(PTRACE_SETREGS, thread, NULL, &regs), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
	return result;
}

#else

bool inject_is_possible(void)
{
	return false;
}

long inject(pid_t thread _unused_, const struct injection *injection _unused_)
{
	fail_msg("only on x86-64");
	return 0;
}

#endif
