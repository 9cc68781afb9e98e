// SPDX-License-Identifier: BSD-2-Clause
#include "attempts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_alg.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIPE_FD   3
#define FORKS_MAX 300
#define FILES_MAX 8
#define FILE_SIZE (32U << 20)
#define CROWD     40
#define EXCHANGED (4U << 20)

extern char **environ;

static long result_of(long r)
{
	return r < 0 ? -errno : r;
}

static long open_and_close(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* ---- files ---- */

static long read_file(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long r = fd < 0 ? -errno : result_of(read(fd, &byte, 1));

	if (fd >= 0)
		close(fd);
	return r;
}

static long write_file(const char *path)
{
	return open_and_close(path, O_WRONLY);
}

static long create_file(const char *path)
{
	long r = open_and_close(path, O_WRONLY | O_CREAT | O_EXCL);

	if (r == 0)
		unlink(path);
	return r;
}

static long remove_file(const char *path)
{
	return result_of(unlink(path));
}

/* How many MiB went in, and out again. */
static long fill_directory(const char *dir)
{
	_Static_assert(FILE_SIZE % (1U << 20) == 0, "whole MiB");
	static char block[1 << 20];
	char path[256];
	long written = 0;

	memset(block, 1, sizeof(block));
	for (int i = 0; i < FILES_MAX; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/fill-%d", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		for (unsigned int n = 0; n < FILE_SIZE; n += sizeof(block))
			written += write(fd, block, sizeof(block)) == sizeof(block);
		close(fd);
	}
	for (int i = 0; i < FILES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/fill-%d", dir, i);
		unlink(path);
	}
	return written;
}

/* As many empty files as go. */
static long fill_with_names(const char *dir)
{
	char path[256];
	long made = 0;

	while (made < 100000) {
		snprintf(path, sizeof(path), "%s/name-%ld", dir, made);
		if (open_and_close(path, O_WRONLY | O_CREAT) < 0)
			break;
		made++;
	}
	for (long i = 0; i < made; i++) {
		snprintf(path, sizeof(path), "%s/name-%ld", dir, i);
		unlink(path);
	}
	return made;
}

/* Writes a program and runs it. */
static long run_written(const char *dir)
{
	static const char script[] = "\177ELF this is none, which is ENOEXEC where it may be run";
	char path[256], *const argv[] = {path, NULL};
	int fd;
	long r;

	snprintf(path, sizeof(path), "%s/program", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	if (fd < 0)
		return -errno;
	r = result_of(write(fd, script, sizeof(script)));
	close(fd);
	if (r > 0) {
		execv(path, argv);
		r = errno == ENOEXEC ? 0 : -errno;
	}
	unlink(path);
	return r;
}

static long make_device(const char *path)
{
	long r = result_of(mknod(path, S_IFCHR | 0666, makedev(1, 3)));

	unlink(path);
	return r;
}

static long count_descriptors(const char *unused)
{
	long count = 0;

	(void)unused;
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static long count_environment(const char *unused)
{
	long count = 0;

	(void)unused;
	while (environ[count])
		count++;
	return count;
}

/* Its value as a number. */
static long read_variable(const char *name)
{
	const char *value = getenv(name);

	return value ? atol(value) : -ENOENT;
}

static long count_visible_processes(const char *unused)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	long count = 0;

	(void)unused;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	closedir(dir);
	return count;
}

/* ---- processes ---- */

static long signal_process(const char *pid)
{
	return result_of(kill(atoi(pid), 0));
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static long end_child(pid_t pid, long r)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

static long trace_child(const char *unused)
{
	pid_t pid = start_child();

	(void)unused;
	return pid < 0 ? -errno : end_child(pid, result_of(ptrace(PTRACE_SEIZE, pid, NULL, NULL)));
}

static long trace_process(const char *pid)
{
	return result_of(ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL));
}

static long read_memory_of_child(const char *unused)
{
	static char ours[16], theirs[16];
	struct iovec local = {ours, sizeof(ours)}, remote = {theirs, sizeof(theirs)};
	pid_t pid = start_child();

	(void)unused;
	if (pid < 0)
		return -errno;
	return end_child(pid, result_of(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
}

static long take_descriptor_of_child(const char *unused)
{
	pid_t pid = start_child();
	int pidfd;

	(void)unused;
	if (pid < 0)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return end_child(pid, result_of(syscall(SYS_pidfd_getfd, pidfd, 0, 0)));
}

/* How many, at most FORKS_MAX. They end with us, or when the pipe's other end does. */
static long fork_without_end(const char *unused)
{
	pid_t children[FORKS_MAX];
	long count = 0;

	(void)unused;
	while (count < FORKS_MAX && (children[count] = start_child()) > 0)
		count++;
	for (long i = 0; i < count; i++)
		end_child(children[i], 0);
	return count;
}

/* So many MiB, one by one; how many it was. */
static long eat_memory(const char *megabytes)
{
	long most = atol(megabytes), eaten = 0;

	for (; eaten < most; eaten++) {
		char *memory = mmap(
			NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return -errno;
		memset(memory, 1, 1 << 20);
	}
	return eaten;
}

/* So many milliseconds of processor time, however long that takes. */
static long spin(const char *milliseconds)
{
	clock_t until = clock() + atol(milliseconds) * (CLOCKS_PER_SEC / 1000);

	while (clock() < until)
		;
	return 0;
}

/* A daemon, by the book; it holds the pipe until that ends. */
static long become_daemon(const char *unused)
{
	pid_t pid = fork();
	char byte;

	(void)unused;
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return 0;
	}
	setsid();
	if (fork() > 0)
		_exit(0);
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_IGN);
	while (read(PIPE_FD, &byte, 1) > 0)
		;
	_exit(0);
}

/* ---- sockets ---- */

static long make_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static long make_raw_socket(const char *unused)
{
	(void)unused;
	return make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long make_packet_socket(const char *unused)
{
	(void)unused;
	return make_socket(AF_PACKET, SOCK_RAW, 0);
}

static long make_netlink_socket(const char *unused)
{
	(void)unused;
	return make_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static long make_vsock_socket(const char *unused)
{
	(void)unused;
	return make_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long make_crypto_socket(const char *unused)
{
	(void)unused;
	return make_socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static long reach_inet(int type, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return -errno;
	r = result_of(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	if (r == 0)
		r = result_of(send(fd, "x", 1, MSG_NOSIGNAL));
	close(fd);
	return r;
}

static long connect_tcp(const char *port)
{
	return reach_inet(SOCK_STREAM, port);
}

static long send_udp(const char *port)
{
	return reach_inet(SOCK_DGRAM, port);
}

/* "HOST PORT", the host looked up as anybody would. The socket, connected. */
static long connect_host(const char *argument, int type)
{
	const struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found;
	char host[224], port[16];
	long r = -EHOSTUNREACH;

	if (sscanf(argument, "%223s %15s", host, port) != 2 ||
		getaddrinfo(host, port, &hints, &found) != 0)
		return -EHOSTUNREACH;
	for (const struct addrinfo *at = found; at && r < 0; at = at->ai_next) {
		int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);

		r = fd < 0 ? -errno : result_of(connect(fd, at->ai_addr, at->ai_addrlen));
		if (r == 0)
			r = fd;
		else if (fd >= 0)
			close(fd);
	}
	freeaddrinfo(found);
	return r;
}

/* Says something and is answered the same; how many bytes. */
static long say_and_hear(int fd)
{
	char answer[4] = "";
	long r = result_of(send(fd, "ping", 4, MSG_NOSIGNAL));

	if (r == 4)
		r = result_of(recv(fd, answer, 4, MSG_WAITALL));
	return r == 4 && memcmp(answer, "ping", 4) != 0 ? -EBADMSG : r;
}

static long talk_of(const char *host_and_port, int type)
{
	long fd = connect_host(host_and_port, type), r;

	if (fd < 0)
		return fd;
	r = say_and_hear((int)fd);
	close((int)fd);
	return r;
}

static long talk(const char *host_and_port)
{
	return talk_of(host_and_port, SOCK_STREAM);
}

static long talk_udp(const char *host_and_port)
{
	return talk_of(host_and_port, SOCK_DGRAM);
}

/* Stays connected. */
static long talk_on(const char *host_and_port)
{
	long fd = connect_host(host_and_port, SOCK_STREAM);

	return fd < 0 ? fd : say_and_hear((int)fd);
}

/* Says a lot and that this was all; is slow to hear. How many bytes it heard before the other said the same. */
static long exchange(const char *host_and_port)
{
	static char block[65536];
	const struct timespec pause = {.tv_nsec = 200000000};
	long fd = connect_host(host_and_port, SOCK_STREAM), r = 0, heard = 0;

	if (fd < 0)
		return fd;
	for (unsigned int said = 0; said < EXCHANGED && r >= 0; said += sizeof(block))
		r = result_of(send((int)fd, block, sizeof(block), MSG_NOSIGNAL));
	shutdown((int)fd, SHUT_WR);
	nanosleep(&pause, NULL);
	while (r >= 0 && (r = result_of(recv((int)fd, block, sizeof(block), 0))) > 0)
		heard += r;
	close((int)fd);
	return r < 0 ? r : heard;
}

/* Many at once; how many could be made. */
static long crowd(const char *host_and_port)
{
	long fds[CROWD], count = 0;

	while (count < CROWD && (fds[count] = connect_host(host_and_port, SOCK_STREAM)) >= 0)
		count++;
	for (long i = 0; i < count; i++)
		close((int)fds[i]);
	return count;
}

static long reach_unix(const char *path, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path + abstract, sizeof(address.sun_path) - 1, "%s", path);
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path));
	r = result_of(connect(fd, (struct sockaddr *)&address, size));
	close(fd);
	return r;
}

static long connect_unix(const char *path)
{
	return reach_unix(path, false);
}

static long connect_abstract(const char *name)
{
	return reach_unix(name, true);
}

/* ---- the kernel ---- */

static long mount_something(const char *dir)
{
	return result_of(mount("x", dir, "tmpfs", 0, NULL));
}

static long bind_root(const char *dir)
{
	return result_of(mount("/", dir, NULL, MS_BIND, NULL));
}

static long make_user_namespace(const char *unused)
{
	(void)unused;
	return result_of(unshare(CLONE_NEWUSER));
}

static long clone_user_namespace(const char *unused)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)unused;
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -errno;
	waitpid((pid_t)pid, NULL, 0);
	return 0;
}

static long clone3_user_namespace(const char *unused)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	(void)unused;
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -errno;
	waitpid((pid_t)pid, NULL, 0);
	return 0;
}

static long enter_namespace(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long r = fd < 0 ? -errno : result_of(setns(fd, 0));

	if (fd >= 0)
		close(fd);
	return r;
}

static long set_up_io_uring(const char *unused)
{
	char parameters[120] = "";

	(void)unused;
	return result_of(syscall(SYS_io_uring_setup, 1, parameters));
}

static long make_bpf_map(const char *unused)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	(void)unused;
	return result_of(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static long open_perf_event(const char *unused)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
	};

	(void)unused;
	return result_of(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static long use_keyring(const char *unused)
{
	(void)unused;
	return result_of(syscall(SYS_add_key, "user", "escape", "x", 1, -3 /* the session's */));
}

static long open_userfaultfd(const char *unused)
{
	(void)unused;
	return result_of(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
}

static long read_kernel_log(const char *unused)
{
	char text[256];

	(void)unused;
	return result_of(syscall(SYS_syslog, 3, text, sizeof(text)));
}

static long set_host_name(const char *name)
{
	return result_of(sethostname(name, strlen(name)));
}

static long set_clock(const char *unused)
{
	struct timespec now;

	(void)unused;
	clock_gettime(CLOCK_REALTIME, &now);
	return result_of(clock_settime(CLOCK_REALTIME, &now));
}

static long become_root(const char *unused)
{
	(void)unused;
	return result_of(setresuid(0, 0, 0));
}

static long change_root(const char *dir)
{
	return result_of(chroot(dir));
}

static long load_module(const char *unused)
{
	(void)unused;
	/* EFAULT, or so, if it may. */
	return result_of(syscall(SYS_init_module, NULL, 0, ""));
}

static long attach_shared_memory(const char *key)
{
	return result_of(shmget((key_t)atoi(key), 0, 0));
}

static const struct {
	const char *name;
	long (*fn)(const char *argument);
} attempts[] = {
	{"read", read_file},
	{"write", write_file},
	{"create", create_file},
	{"remove", remove_file},
	{"fill", fill_directory},
	{"fill-with-names", fill_with_names},
	{"run-written", run_written},
	{"device", make_device},
	{"descriptors", count_descriptors},
	{"environment", count_environment},
	{"variable", read_variable},
	{"processes", count_visible_processes},
	{"signal", signal_process},
	{"trace-child", trace_child},
	{"trace", trace_process},
	{"memory-of-child", read_memory_of_child},
	{"descriptor-of-child", take_descriptor_of_child},
	{"fork", fork_without_end},
	{"daemon", become_daemon},
	{"eat", eat_memory},
	{"spin", spin},
	{"raw-socket", make_raw_socket},
	{"packet-socket", make_packet_socket},
	{"netlink-socket", make_netlink_socket},
	{"vsock-socket", make_vsock_socket},
	{"crypto-socket", make_crypto_socket},
	{"tcp", connect_tcp},
	{"udp", send_udp},
	{"talk", talk},
	{"talk-on", talk_on},
	{"talk-udp", talk_udp},
	{"exchange", exchange},
	{"crowd", crowd},
	{"unix", connect_unix},
	{"abstract", connect_abstract},
	{"mount", mount_something},
	{"bind", bind_root},
	{"user-namespace", make_user_namespace},
	{"clone-user-namespace", clone_user_namespace},
	{"clone3-user-namespace", clone3_user_namespace},
	{"enter-namespace", enter_namespace},
	{"io_uring", set_up_io_uring},
	{"bpf", make_bpf_map},
	{"perf", open_perf_event},
	{"keyring", use_keyring},
	{"userfaultfd", open_userfaultfd},
	{"kernel-log", read_kernel_log},
	{"host-name", set_host_name},
	{"clock", set_clock},
	{"root", become_root},
	{"chroot", change_root},
	{"module", load_module},
	{"shared-memory", attach_shared_memory},
};

long attempt(const char *name, const char *argument)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		if (strcmp(attempts[i].name, name) == 0)
			return attempts[i].fn(argument);
	return -ENOTSUP;
}
