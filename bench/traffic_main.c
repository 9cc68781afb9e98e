// SPDX-License-Identifier: BSD-2-Clause
/*
 * The traffic generator by hand: sends, then compares what it counted with what the receiving
 * interface did, and prints both as JSON. By default in a namespace of its own, into a veth whose
 * peer drops everything in XDP; or into a veth that is there, with --interface, but never in the
 * machine's own namespace.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/number.h"
#include "bench/bare.skel.h"
#include "bench/traffic.h"
#include "bench/traffic_net.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SECONDS_MAX  600
#define EXIT_USAGE   2
#define EXIT_SKIPPED 77

static const char help[] =
	"Usage: traffic [OPTION...]\n"
	"\n"
	"Sends packets into a veth as fast as the kernel can make them, and counts them.\n"
	"\n"
	"  -k, --kind KIND       udp (the default), tcp, syn, or handshake: whole connections\n"
	"  -f, --flows N         1 to 16777216; default 1\n"
	"  -d, --spread SPREAD   uniform (the default), zipf, or spoofed: each packet (each\n"
	"                        connection) from another source\n"
	"  -s, --size N[,N...]   bytes of a frame without FCS, 60 to 1514, each as often; or\n"
	"                        imix (60, 590 and 1514 as 7 : 4 : 1); default 60\n"
	"  -6, --ipv6\n"
	"  -v, --vlan N          VLAN tags, 0 to 2\n"
	"  -r, --rate N          packets/s; default: as fast as it can\n"
	"  -n, --packets N       stop after so many\n"
	"  -t, --seconds S       stop after so long, at most 600; default 1 without --packets\n"
	"  -c, --cpus N          threads, each on its own CPU; default 1\n"
	"      --seed N          of what is random; default 1\n"
	"  -i, --interface IF    a veth of this network namespace, which must not be the\n"
	"                        machine's; its peer needs an XDP program, or GRO on\n"
	"  -h, --help            this text\n"
	"\n"
	"Without --interface it makes a network namespace and a veth pair, and drops in XDP.\n";

struct run {
	struct traffic_options options;
	struct traffic_bounds bounds;
	struct bare *bare;
	bool own_network;
};

static const struct {
	const char *name;
	enum traffic_kind kind;
} kinds[] = {
	{"udp", TRAFFIC_UDP},
	{"tcp", TRAFFIC_TCP},
	{"syn", TRAFFIC_SYN},
	{"handshake", TRAFFIC_HANDSHAKE},
};

static const struct {
	const char *name;
	enum traffic_spread spread;
} spreads[] = {
	{"uniform", TRAFFIC_UNIFORM},
	{"zipf", TRAFFIC_ZIPF},
	{"spoofed", TRAFFIC_SPOOFED},
};

static const uint32_t imix[] = {60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514};

static bool kind_parse(const char *text, enum traffic_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(text, kinds[i].name) == 0) {
			*ret_kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

static bool spread_parse(const char *text, enum traffic_spread *ret_spread)
{
	for (size_t i = 0; i < ARRAY_SIZE(spreads); i++) {
		if (strcmp(text, spreads[i].name) == 0) {
			*ret_spread = spreads[i].spread;
			return true;
		}
	}
	return false;
}

static bool sizes_parse(char *text, struct traffic_options *options)
{
	options->size_count = 0;
	if (strcmp(text, "imix") == 0) {
		memcpy(options->sizes, imix, sizeof(imix));
		options->size_count = ARRAY_SIZE(imix);
		return true;
	}
	for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
		if (options->size_count == TRAFFIC_SIZES_MAX ||
			number32_parse(at, TRAFFIC_FRAME_MIN, TRAFFIC_FRAME_MAX,
				&options->sizes[options->size_count]) < 0)
			return false;
		options->size_count++;
	}
	return options->size_count > 0;
}

static bool seconds_parse(const char *text, uint64_t *ret_ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds > 0 && seconds <= SECONDS_MAX))
		return false;
	*ret_ns = (uint64_t)(seconds * NS_PER_SEC);
	return true;
}

static bool option_take(struct run *run, int option)
{
	struct traffic_options *options = &run->options;

	switch (option) {
	case 'k':
		return kind_parse(optarg, &options->kind);
	case 'd':
		return spread_parse(optarg, &options->spread);
	case 'f':
		return number32_parse(optarg, 1, TRAFFIC_FLOWS_MAX, &options->flows) == 0;
	case 's':
		return sizes_parse(optarg, options);
	case '6':
		options->family = 6;
		return true;
	case 'v':
		return number32_parse(optarg, 0, TRAFFIC_TAGS_MAX, &options->tags) == 0;
	case 'r':
		return number_parse(optarg, 1, UINT32_MAX, &run->bounds.rate) == 0;
	case 'n':
		return number_parse(optarg, 1, INT64_MAX, &run->bounds.packets) == 0;
	case 't':
		return seconds_parse(optarg, &run->bounds.duration_ns);
	case 'c':
		return number32_parse(optarg, 1, TRAFFIC_CPUS_MAX, &options->cpus) == 0;
	case 'S':
		return number_parse(optarg, 0, UINT64_MAX, &options->seed) == 0;
	case 'i':
		options->interface = optarg;
		return true;
	default:
		return false;
	}
}

/* 0, 1 after --help, or -EINVAL. */
static int parse_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"kind", required_argument, NULL, 'k'},
		{"flows", required_argument, NULL, 'f'},
		{"spread", required_argument, NULL, 'd'},
		{"size", required_argument, NULL, 's'},
		{"ipv6", no_argument, NULL, '6'},
		{"vlan", required_argument, NULL, 'v'},
		{"rate", required_argument, NULL, 'r'},
		{"packets", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 't'},
		{"cpus", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 'S'},
		{"interface", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "k:f:d:s:6v:r:n:t:c:i:h", options, NULL)) >= 0) {
		if (option == 'h')
			return 1;
		if (option == '?')
			return -EINVAL;
		if (!option_take(run, option)) {
			fprintf(stderr, "traffic: \"%s\" will not do for -%c\n", optarg, option);
			return -EINVAL;
		}
	}
	if (run->bounds.packets == 0 && run->bounds.duration_ns == 0)
		run->bounds.duration_ns = NS_PER_SEC;
	return optind == argc ? 0 : -EINVAL;
}

/* True in the namespace of the machine's first process, as far as that may be seen. */
static bool is_machines_network(void)
{
	struct stat own, first;

	return stat("/proc/self/ns/net", &own) == 0 && stat("/proc/1/ns/net", &first) == 0 &&
	       own.st_dev == first.st_dev && own.st_ino == first.st_ino;
}

/* Any other would put the frames on a wire. */
static bool is_veth(const char *interface)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (void *)&driver};
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 &&
	       strcmp(driver.driver, "veth") == 0;
}

static int open_network(struct run *run)
{
	int r;

	if (run->options.interface) {
		if (!is_veth(run->options.interface))
			return -EOPNOTSUPP;
		return is_machines_network() ? -EPERM : 0;
	}
	run->own_network = true;
	run->options.interface = "gen0";
	r = traffic_net_enter();
	if (r == 0)
		r = traffic_net_pair("gen0", "sink0");
	if (r < 0)
		return r;
	run->bare = bare__open_and_load();
	if (!run->bare)
		return -errno;
	return bpf_xdp_attach((int)if_nametoindex("sink0"),
		bpf_program__fd(run->bare->progs.bare_drop), XDP_FLAGS_DRV_MODE, NULL);
}

static void print_result(const struct run *run, const struct traffic_result *result,
	const struct interface_counts *received)
{
	printf("{\"packets\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"mpps\": %.3f,\n"
	       " \"mpps_per_cpu_second\": %.3f, \"classes\": {",
		(unsigned long long)result->packets, (unsigned long long)result->bytes,
		result->seconds, (double)result->packets / result->seconds / 1e6,
		(double)result->packets / result->cpu_ns * 1e3);
	for (int class = 0, first = 1; class < TRAFFIC_CLASSES; class ++) {
		if (result->sent[class].packets == 0)
			continue;
		printf("%s\"%s\": {\"packets\": %llu, \"bytes\": %llu}", first ? "" : ", ",
			traffic_class_name(class), (unsigned long long)result->sent[class].packets,
			(unsigned long long)result->sent[class].bytes);
		first = 0;
	}
	printf("}");
	if (run->own_network)
		printf(",\n \"received\": {\"packets\": %llu, \"bytes\": %llu, \"dropped\": %llu}",
			(unsigned long long)received->packets, (unsigned long long)received->bytes,
			(unsigned long long)received->dropped);
	printf("}\n");
}

/* 0, a negative errno, or 1 if the interface has counted anything else. */
static int carry_out(struct run *run)
{
	_cleanup_(traffic_freep) struct traffic *traffic = NULL;
	struct interface_counts received = {0};
	struct traffic_result result = {0};
	int r = traffic_new(&run->options, &traffic);

	if (r == 0)
		r = traffic_run(traffic, &run->bounds, &result);
	if (r == 0 && run->own_network)
		r = traffic_net_read("sink0", &received);
	if (r < 0)
		return r;
	print_result(run, &result, &received);
	if (!run->own_network)
		return 0;
	return received.packets != result.packets || received.bytes != result.bytes;
}

int main(int argc, char **argv)
{
	struct run run = {.options = {.flows = 1, .family = 4, .cpus = 1, .seed = 1}};
	int r = parse_options(&run, argc, argv);

	if (r != 0) {
		fputs(r > 0 ? help : "Try 'traffic --help'.\n", r > 0 ? stdout : stderr);
		return r > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	}
	r = open_network(&run);
	if (r == 0)
		r = carry_out(&run);
	bare__destroy(run.bare);
	if (r == -EPERM) {
		fputs("traffic: needs root, and a network namespace that is not the machine's\n",
			stderr);
		return getenv("NETLAMBDA_REQUIRE_BPF") ? EXIT_FAILURE : EXIT_SKIPPED;
	}
	if (r == -EOPNOTSUPP)
		fprintf(stderr, "traffic: %s: no veth\n", run.options.interface);
	else if (r < 0)
		fprintf(stderr, "traffic: %s\n", strerror(-r));
	else if (r > 0)
		fputs("traffic: the interface received something else than was sent\n", stderr);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
