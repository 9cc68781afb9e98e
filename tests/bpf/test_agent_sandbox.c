// SPDX-License-Identifier: BSD-2-Clause
/* What an agent that was taken over could still do: each of its threads is made to try. */
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/inject.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 8
#define PACKETS     50

static struct agent_process agent;

#define PINS "/sys/fs/bpf/netlambda-test"

/* What is pinned would outlive a test that fails or is skipped, and keep the next one out. */
static int teardown(void **state _unused_)
{
	agent_clean_up(&agent);
	lab_run("rm -rf " PINS);
	return 0;
}

static unsigned int threads_of(pid_t pid, pid_t threads[THREADS_MAX])
{
	unsigned int count = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL && count < THREADS_MAX)
		if (entry->d_name[0] != '.')
			threads[count++] = atoi(entry->d_name);
	closedir(dir);
	return count;
}

/* A sanitizer's runtime and a sandbox exclude each other. */
static void need_sandbox(void)
{
	agent_wait_output(&agent, "counting id=3");
	if (strstr(agent.output, "built with a sanitizer") || !inject_is_possible()) {
		agent_clean_up(&agent);
		skip();
	}
}

static void send_packets(void)
{
	struct frame f;
	int fd = lab_open("veth1");

	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){1, 2}, 100);
	lab_send(fd, &f, PACKETS);
	close(fd);
}

/* ---- what it says of itself, and the kernel of it ---- */

static void assert_status(pid_t thread, const char *line)
{
	char path[64], text[4096] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", thread);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	if (!strstr(text, line))
		fail_msg("thread %d: expected \"%s\" in %s", thread, line, text);
}

static void nothing_is_left_of_root(void **state _unused_)
{
	const struct passwd *nobody = getpwnam("nobody");
	uint16_t port = receiver_start(0);
	pid_t threads[THREADS_MAX];
	unsigned int count;
	struct told told;
	char uid[64], gid[64];

	assert_non_null(nobody);
	snprintf(uid, sizeof(uid), "Uid:\t%1$u\t%1$u\t%1$u\t%1$u\n", nobody->pw_uid);
	snprintf(gid, sizeof(gid), "Gid:\t%1$u\t%1$u\t%1$u\t%1$u\n", nobody->pw_gid);
	agent_start(
		&agent, "--protocol 1 --id 3 -i veth0 --user nobody --server 127.0.0.1:%u", port);
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "capabilities=none no_new_privs=yes"));
	count = threads_of(agent.pid, threads);
	assert_int_equal(count, 2);
	for (unsigned int i = 0; i < count; i++) {
		assert_status(threads[i], uid);
		assert_status(threads[i], gid);
		assert_status(threads[i], "CapInh:\t0000000000000000\n");
		assert_status(threads[i], "CapPrm:\t0000000000000000\n");
		assert_status(threads[i], "CapEff:\t0000000000000000\n");
		assert_status(threads[i], "CapBnd:\t0000000000000000\n");
		assert_status(threads[i], "CapAmb:\t0000000000000000\n");
		assert_status(threads[i], "NoNewPrivs:\t1\n");
		if (!strstr(agent.output, "built with a sanitizer"))
			assert_status(threads[i], "Seccomp:\t2\n");
	}
	send_packets();
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.packets, PACKETS);
	assert_int_equal(told_interface_packets(&told), PACKETS);
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void staying_root_is_said(void **state _unused_)
{
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --user root --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "staying root, as told by --user"));
	assert_non_null(strstr(agent.output, "sandboxed uid=0 capabilities=none"));
	assert_status(agent.pid, "CapPrm:\t0000000000000000\n");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

static void unknown_user_is_refused(void **state _unused_)
{
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --user nobody-here --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "--user nobody-here: no such user"));
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

/* ---- what it may not do ---- */

#define AT_CWD ((uint64_t)AT_FDCWD)

/* Of these, each would work for whoever is not in a sandbox, or fail in another way. */
static const struct injection forbidden[] = {
	{"TCP socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}, NULL, 0},
	{"UDP socket", SYS_socket, {AF_INET, SOCK_DGRAM, 0}, NULL, 0},
	{"IPv6 socket", SYS_socket, {AF_INET6, SOCK_DGRAM, 0}, NULL, 0},
	{"Unix socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, NULL, 0},
	{"packet socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, NULL, 0},
	{"netlink socket of another kind", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER},
		NULL, 0},
	{"socket pair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, 0}, NULL, 0},
	{"connect", SYS_connect, {0, 0, 0}, NULL, 0},
	{"execve", SYS_execve, {0, 0, 0}, "/bin/true", 0},
	{"execveat", SYS_execveat, {AT_CWD, 0, 0, 0, 0}, "/bin/true", 1},
	{"fork", SYS_fork, {0}, NULL, 0},
	{"clone of a process", SYS_clone, {SIGCHLD}, NULL, 0},
	{"clone3", SYS_clone3, {0, 0}, NULL, 0},
	{"ptrace", SYS_ptrace, {PTRACE_TRACEME}, NULL, 0},
	{"process_vm_readv", SYS_process_vm_readv, {1, 0, 0, 0, 0, 0}, NULL, 0},
	{"signal to another process", SYS_kill, {1, 0}, NULL, 0},
	{"signal to another's thread", SYS_tgkill, {1, 1, 0}, NULL, 0},
	{"load a program", SYS_bpf, {BPF_PROG_LOAD, 0, 0}, NULL, 0},
	{"make a map", SYS_bpf, {BPF_MAP_CREATE, 0, 0}, NULL, 0},
	{"pin", SYS_bpf, {BPF_OBJ_PIN, 0, 0}, NULL, 0},
	{"take another's map", SYS_bpf, {BPF_MAP_GET_FD_BY_ID, 0, 0}, NULL, 0},
	{"memory to execute", SYS_mmap,
		{0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0}, NULL,
		0},
	{"make memory executable", SYS_mprotect, {0, 4096, PROT_EXEC}, NULL, 0},
	{"create a file", SYS_openat, {AT_CWD, 0, O_WRONLY | O_CREAT, 0600}, "/tmp/netlambda-no",
		1},
	{"write to a file", SYS_openat, {AT_CWD, 0, O_RDWR}, "/dev/null", 1},
	{"truncate a file", SYS_openat, {AT_CWD, 0, O_TRUNC}, "/dev/null", 1},
	{"temporary file", SYS_openat, {AT_CWD, 0, O_TMPFILE | O_RDWR, 0600}, "/tmp", 1},
	{"creat", SYS_creat, {0, 0600}, "/tmp/netlambda-no", 0},
	{"directory", SYS_mkdir, {0, 0700}, "/tmp/netlambda-no", 0},
	{"remove", SYS_unlink, {0}, "/tmp/netlambda-no", 0},
	{"rename", SYS_rename, {0, 0}, "/tmp/netlambda-no", 0},
	{"chmod", SYS_chmod, {0, 0777}, "/tmp", 0},
	{"mount", SYS_mount, {0, 0, 0, 0, 0}, "/", 1},
	{"namespace", SYS_unshare, {CLONE_NEWUSER}, NULL, 0},
	{"become root", SYS_setuid, {0}, NULL, 0},
	{"be dumpable", SYS_prctl, {PR_SET_DUMPABLE, 1}, NULL, 0},
	{"io_uring", SYS_io_uring_setup, {1, 0}, NULL, 0},
	{"perf event", SYS_perf_event_open, {0, 0, 0, 0, 0}, NULL, 0},
	{"terminal input", SYS_ioctl, {0, 0x5412}, NULL, 0},
};

static void assert_forbidden(pid_t thread, const struct injection *attempt, long expected)
{
	long result = inject(thread, attempt);

	if (result != expected)
		fail_msg("thread %d: %s: expected %ld, got %ld", thread, attempt->name, expected,
			result);
}

static void no_thread_can_do_what_it_need_not(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	pid_t threads[THREADS_MAX];
	unsigned int count;
	struct told told;

	/* Root, lest a file's owner or a missing capability do the refusing. */
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --user root --server 127.0.0.1:%u --period 10s",
		port);
	need_sandbox();
	count = threads_of(agent.pid, threads);
	assert_int_equal(count, 2);
	for (unsigned int i = 0; i < count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(forbidden); j++)
			assert_forbidden(threads[i], &forbidden[j], -EPERM);
	assert_int_equal(access("/tmp/netlambda-no", F_OK), -1);
	/* It goes on as if nothing had been. */
	send_packets();
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.packets, PACKETS);
	assert_int_equal(told_interface_packets(&told), PACKETS);
	assert_int_equal(agent_summary(&agent, " unsent="), 0);
}

/* So that one knows that the method finds what is open: the same attempts, without a sandbox. */
static void without_sandbox_all_is_open_and_that_is_said(void **state _unused_)
{
	static const struct injection possible[] = {
		{"TCP socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}, NULL, 0},
		{"packet socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, NULL, 0},
		{"read a file", SYS_openat, {AT_CWD, 0, O_RDONLY}, "/etc/shadow", 1},
		{"write to a file", SYS_openat, {AT_CWD, 0, O_RDWR}, "/dev/null", 1},
		{"memory to execute", SYS_mmap,
			{0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX,
				0},
			NULL, 0},
		{"signal to another process", SYS_kill, {1, 0}, NULL, 0},
	};

	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --no-sandbox --server 127.0.0.1:9 "
			    "--flush-timeout 0s");
	agent_wait_output(&agent, "NO SANDBOX: all privileges are kept");
	agent_wait_output(&agent, "counting id=3");
	if (!inject_is_possible())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(possible); i++) {
		long result = inject(agent.pid, &possible[i]);

		if (result < 0 && result >= -4095)
			fail_msg("%s: %ld", possible[i].name, result);
	}
	assert_status(agent.pid, "Seccomp:\t0\n");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

/* ---- files ---- */

static void statistics_are_written_and_nothing_beside(void **state _unused_)
{
	static const struct injection outside[] = {
		{"create a file", SYS_openat, {AT_CWD, 0, O_WRONLY | O_CREAT, 0600},
			"/tmp/netlambda-no", 1},
		{"write to a file", SYS_openat, {AT_CWD, 0, O_WRONLY}, "/dev/null", 1},
		{"read a file", SYS_openat, {AT_CWD, 0, O_RDONLY}, "/etc/passwd", 1},
		{"list a directory", SYS_openat, {AT_CWD, 0, O_RDONLY | O_DIRECTORY}, "/etc", 1},
		{"remove a file", SYS_unlink, {0}, "/etc/passwd", 0},
	};
	const struct passwd *nobody = getpwnam("nobody");
	char directory[] = "/tmp/netlambda-sandbox-XXXXXX", path[64];
	struct stat status;

	assert_non_null(mkdtemp(directory));
	assert_non_null(nobody);
	assert_int_equal(chown(directory, nobody->pw_uid, nobody->pw_gid), 0);
	snprintf(path, sizeof(path), "%s/agent.prom", directory);
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --user nobody --stats-file %s --server 127.0.0.1:9 "
		"--flush-timeout 0s",
		path);
	agent_wait_output(&agent, "counting id=3");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, nobody->pw_uid);
	if (strstr(agent.output, "files=landlock") && inject_is_possible())
		for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
			assert_forbidden(agent.pid, &outside[i], -EACCES);
	send_packets();
	/* Each second it is written anew. */
	lab_run("for i in $(seq 600); do "
		"grep -q 'packets_total{interface=\"veth0\",mode=\"native\"} %d$' %s && exit 0; "
		"sleep 0.1; done; cat %s; exit 1",
		PACKETS, path, path);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	lab_run("rm -r %s", directory);
}

static void statistics_that_the_user_cannot_write_are_an_error(void **state _unused_)
{
	char directory[] = "/tmp/netlambda-sandbox-XXXXXX";

	assert_non_null(mkdtemp(directory)); /* root's, mode 0700 */
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --user nobody --stats-file %s/x --server 127.0.0.1:9",
		directory);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "give the directory to that user"));
	assert_int_equal(lab_xdp_id("veth0"), 0);
	lab_run("rmdir %s", directory);
}

/* ---- what it must still do ---- */

/* What comes later is attached to without any privilege. */
static void interfaces_are_followed_in_the_sandbox(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;
	struct frame f;
	int fd;

	agent_start(&agent,
		"--protocol 1 --id 3 -i in* --wait -i late0 --user nobody --server 127.0.0.1:%u "
		"--period 50ms",
		port);
	agent_wait_output(&agent, "counting id=3 interfaces=0");
	for (int i = 0; i < 3; i++) {
		agent_forget_output(&agent);
		lab_run("ip link add in0 type veth peer name late0 && ip link set in0 up && "
			"ip link set late0 up");
		agent_wait_output(&agent, "attached interface=in0 ");
		agent_wait_output(&agent, "attached interface=late0 ");
		lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){1, 2}, 100);
		fd = lab_open("in0");
		lab_send(fd, &f, 10);
		close(fd);
		lab_run("ip link del in0");
		agent_wait_output(&agent, "interface gone");
	}
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.packets, 30);
	assert_int_equal(told_interface_packets(&told), 30);
}

/* Asking why native is refused, and falling back, take sockets, files and a link. */
static void refusal_in_the_sandbox_ends_in_generic_mode(void **state _unused_)
{
	agent_start(&agent,
		"--protocol 1 --id 3 -i br* --user nobody --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3 interfaces=0");
	lab_run("ip link add br0 mtu 9000 type bridge && ip link set br0 up");
	agent_wait_output(&agent, "attached interface=br0 ");
	assert_non_null(strstr(agent.output, "native XDP, so generic is used"));
	/* No limit is to blame: a bridge has no native XDP. */
	assert_null(strstr(agent.output, "MTU"));
	agent_wait_statistic(&agent, "netlambda_agent_interfaces_generic 1\n");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	lab_run("ip link del br0");
}

/*
 * As the systemd unit starts it: a user without a name, three ambient capabilities, and file systems
 * as ProtectKernelTunables, ProcSubset and ProtectSystem leave them.
 */
static void start_as_unit(const char *options)
{
	const char *program = getenv("NETLAMBDA_AGENT");
	char agent_path[512];

	snprintf(agent_path, sizeof(agent_path), "%s", program);
	assert_int_equal(setenv("NETLAMBDA_AGENT", "/usr/bin/unshare", 1), 0);
	agent_start(&agent,
		"--mount -- /bin/sh tests/bpf/as_unit.sh %s --protocol 1 --id 3 -i veth0 --period "
		"50ms %s",
		agent_path, options);
	assert_int_equal(setenv("NETLAMBDA_AGENT", agent_path, 1), 0);
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "sandboxed uid=61234 capabilities=none"));
	assert_non_null(strstr(agent.output, "mode=native"));
}

static void unit_has_all_that_it_takes(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;
	char options[64];

	snprintf(options, sizeof(options), "--server 127.0.0.1:%u", port);
	start_as_unit(options);
	send_packets();
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.packets, PACKETS);
}

/* ---- thresholds ---- */

static void write_alarms(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static void scan(uint16_t from, uint16_t count)
{
	int fd = lab_open("veth1");
	struct frame f;

	for (uint16_t i = 0; i < count; i++) {
		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, from + i}, TCP_SYN, 0);
		lab_send(fd, &f, 1);
	}
	close(fd);
}

/* And what it began was collected. */
static void wait_counted(unsigned int packets)
{
	char line[128];

	snprintf(line, sizeof(line),
		"netlambda_agent_packets_total{interface=\"veth0\",mode=\"native\"} %u\n", packets);
	agent_wait_statistic(&agent, line);
	agent_wait_collections(&agent, 1);
}

#define NO_TARGETS "target-sources=0\ntarget-ports=0\ntarget-half-open=0\n"

/* Without any privilege; the same scan is one for the thresholds that come with the signal. */
static void thresholds_are_read_again_in_the_sandbox(void **state _unused_)
{
	char directory[] = "/tmp/netlambda-alarms-XXXXXX", path[64];
	uint16_t port = receiver_start(0);
	struct told told;

	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0755), 0);
	snprintf(path, sizeof(path), "%s/alarms", directory);
	write_alarms(path, NO_TARGETS);
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --user nobody --fanout 10m --alarm source-ports=1000 "
		"--alarm-file %s --server 127.0.0.1:%u",
		path, port);
	agent_wait_output(&agent, "counting id=3");
	scan(1, 60);
	wait_counted(60);
	/* A mistake changes nothing. */
	write_alarms(path, NO_TARGETS "source-ports=fifty\n");
	kill(agent.pid, SIGHUP);
	agent_wait_output(&agent, "alarms:4: source-ports=fifty: expected a number from 0 to 5000");
	scan(100, 2);
	wait_counted(62);
	assert_non_null(strstr(agent.output, "netlambda_agent_alarm_reload_errors_total 1\n"));
	assert_non_null(strstr(agent.output, "netlambda_agent_events_total{class=\"source\"} 0\n"));
	write_alarms(path, NO_TARGETS "source-ports=50\n");
	kill(agent.pid, SIGHUP);
	agent_wait_output(&agent, "thresholds of=source hosts=200 ports=50 ");
	scan(200, 1);
	agent_wait_statistic(&agent, "netlambda_agent_events_total{class=\"source\"} 1\n");
	assert_non_null(strstr(agent.output, "netlambda_agent_alarm_reloads_total 1\n"));
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.sources.at_once, 1);
	assert_int_equal(told.targets.at_once, 0);
	lab_run("rm -r %s", directory);
}

static void hangup_without_a_file_ends_nothing(void **state _unused_)
{
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	kill(agent.pid, SIGHUP);
	agent_wait_output(&agent, "there being no --alarm-file");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

/* ---- pins ---- */

static void unit_with_pins_goes_on(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;
	char options[64];

	snprintf(options, sizeof(options), "--server 127.0.0.1:%u --pin=" PINS, port);
	assert_int_equal(setenv("PINS", PINS, 1), 0);
	start_as_unit(options);
	send_packets();
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
	/* More than before: version 1 takes the same bytes again for the same transaction. */
	send_packets();
	send_packets();
	start_as_unit(options);
	assert_non_null(strstr(agent.output, "resumed=yes"));
	assert_int_equal(unsetenv("PINS"), 0);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	receiver_stop(&told);
	assert_int_equal(told.packets, 3 * PACKETS);
	assert_int_equal(told_interface_packets(&told), 3 * PACKETS);
	assert_int_equal(lab_xdp_id("veth0"), 0);
	lab_run("rmdir " PINS);
}

/* Pinning is open to it then, in its directory and nowhere else. */
static void pins_open_one_directory_only(void **state _unused_)
{
	static const struct injection outside[] = {
		{"remove a file", SYS_unlink, {0}, "/etc/passwd", 0},
		{"remove a directory", SYS_rmdir, {0}, "/sys/fs/bpf/other", 0},
		{"create a file", SYS_openat, {AT_CWD, 0, O_WRONLY | O_CREAT, 0600}, PINS "/no", 1},
	};

	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --user root --server 127.0.0.1:9 "
			    "--flush-timeout 0s --pin=" PINS);
	need_sandbox();
	lab_run("mkdir -p /sys/fs/bpf/other");
	if (strstr(agent.output, "files=landlock")) {
		assert_forbidden(agent.pid, &outside[0], -EACCES);
		assert_forbidden(agent.pid, &outside[1], -EACCES);
	}
	assert_forbidden(agent.pid, &outside[2], -EPERM);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	lab_run("rmdir " PINS " /sys/fs/bpf/other");
}

/* ---- the watchdog ---- */

#define QUIET_MS 4000 /* four times as long as from one feeding to the next */

/* False: nothing came within the time. */
static bool is_fed(int fd, int within_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char text[64];

	while (poll(&poll_fd, 1, within_ms) > 0) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

		assert_true(n > 0);
		text[n] = '\0';
		if (strcmp(text, "WATCHDOG=1") == 0)
			return true;
	}
	return false;
}

static void wait_fed(int fd, unsigned int times)
{
	while (times-- > 0)
		assert_true(is_fed(fd, 60000));
}

static void watchdog_is_fed_by_collections(void **state _unused_)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pid_t threads[THREADS_MAX];

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/netlambda-notify-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --flush-timeout 0s");
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	agent_wait_output(&agent, "counting id=3");
	wait_fed(fd, 3);
	/* The collecting thread hangs; the other goes on. */
	assert_int_equal(threads_of(agent.pid, threads), 2);
	assert_int_equal(ptrace(PTRACE_SEIZE, threads[1], NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, threads[1], NULL, NULL), 0);
	assert_int_equal(waitpid(threads[1], NULL, __WALL), threads[1]);
	for (unsigned int i = 0; is_fed(fd, QUIET_MS); i++)
		assert_true(i < 5); /* for three periods, it is taken to be on its way */
	assert_int_equal(ptrace(PTRACE_DETACH, threads[1], NULL, NULL), 0);
	wait_fed(fd, 2);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	close(fd);
	unlink(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_is_left_of_root, teardown),
		cmocka_unit_test_teardown(staying_root_is_said, teardown),
		cmocka_unit_test_teardown(unknown_user_is_refused, teardown),
		cmocka_unit_test_teardown(no_thread_can_do_what_it_need_not, teardown),
		cmocka_unit_test_teardown(without_sandbox_all_is_open_and_that_is_said, teardown),
		cmocka_unit_test_teardown(statistics_are_written_and_nothing_beside, teardown),
		cmocka_unit_test_teardown(
			statistics_that_the_user_cannot_write_are_an_error, teardown),
		cmocka_unit_test_teardown(interfaces_are_followed_in_the_sandbox, teardown),
		cmocka_unit_test_teardown(refusal_in_the_sandbox_ends_in_generic_mode, teardown),
		cmocka_unit_test_teardown(unit_has_all_that_it_takes, teardown),
		cmocka_unit_test_teardown(thresholds_are_read_again_in_the_sandbox, teardown),
		cmocka_unit_test_teardown(hangup_without_a_file_ends_nothing, teardown),
		cmocka_unit_test_teardown(unit_with_pins_goes_on, teardown),
		cmocka_unit_test_teardown(pins_open_one_directory_only, teardown),
		cmocka_unit_test_teardown(watchdog_is_fed_by_collections, teardown),
	};

	lab_require();
	lab_enter();
	lab_mount_bpf();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
