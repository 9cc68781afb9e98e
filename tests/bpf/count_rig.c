// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/count_rig.h"

#include "event/render.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

static void take_flow(void *user, const struct flow_event *flow)
{
	struct taken *taken = user;

	if (taken->flow_count < RECORDS_MAX)
		taken->flows[taken->flow_count] = *flow;
	taken->flow_count++;
	taken->packets += flow->count;
	taken->bytes += flow->size;
}

static void take_port(void *user, const struct port_event *port)
{
	struct taken *taken = user;

	if (taken->port_count < RECORDS_MAX)
		taken->ports[taken->port_count] = *port;
	taken->port_count++;
	taken->syn += port->syn;
	taken->rst += port->rst;
	taken->udp += port->udp;
	taken->completed += port->completed;
	taken->refused += port->refused;
}

void count_collect(struct collector *collector, struct taken *taken)
{
	const struct collect_sink sink = {.flow = take_flow, .port = take_port, .user = taken};

	assert_int_equal(collector_collect(collector, &sink), 0);
}

struct collector *count_new(unsigned int interfaces, uint32_t flows, uint32_t ports)
{
	const struct collector_options options = {
		.interface_count = interfaces,
		.flow_max = flows,
		.port_max = ports,
	};
	struct collector *collector = NULL;

	lab_stay_here();
	assert_int_equal(collector_new(&options, &collector), 0);
	return collector;
}

int count_run_program(int fd, const struct frame *frame, unsigned int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes,
		.data_size_in = (uint32_t)frame->size, .repeat = (int)repeat);
	int r = bpf_prog_test_run_opts(fd, &run);

	return r < 0 ? r : (int)run.retval;
}

void count_run(struct collector *collector, const struct frame *frame, unsigned int repeat)
{
	assert_int_equal(
		count_run_program(collector_program_fd(collector, 0), frame, repeat), XDP_PASS);
}

struct interface_event count_totals(const struct collector *collector, unsigned int slot)
{
	struct interface_event totals = {0};

	assert_int_equal(collector_read_interface(collector, slot, &totals), 0);
	return totals;
}

void assert_ip(const ip_addr *ip, const char *expected)
{
	char text[IP_TEXT_MAX];

	assert_string_equal(ip_render(ip, text), expected);
}
