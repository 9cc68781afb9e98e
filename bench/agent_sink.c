// SPDX-License-Identifier: BSD-2-Clause
#include "bench/agent_sink.h"

#include "base/fd.h"
#include "net/udp_receiver.h"
#include "wire/v1.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#define WAIT_MS 50

struct sink {
	int fd;
	struct udp_receiver *receiver;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	atomic_uint_fast64_t datagrams, bytes, events, refused;
	char address[ENDPOINT_TEXT_MAX];
};

static void count(atomic_uint_fast64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void take(struct sink *sink, const struct datagram *datagram)
{
	struct v1_transaction transaction;
	uint8_t ack[V1_ACK_BYTES];
	size_t size;

	count(&sink->datagrams, 1);
	count(&sink->bytes, datagram->size);
	if (v1_decode(datagram->bytes, datagram->size, &transaction) != V1_OK) {
		count(&sink->refused, 1);
		return;
	}
	count(&sink->events, transaction.event_count);
	if (!transaction.wants_ack)
		return;
	size = v1_encode_ack(transaction.sequence, ack);
	/* One that cannot be sent is lost, and asked for again. */
	(void)!sendto(sink->fd, ack, size, 0, (const struct sockaddr *)&datagram->from->address,
		datagram->from->len);
}

static void *sink_main(void *arg)
{
	struct sink *sink = arg;
	struct pollfd ready = {.fd = sink->fd, .events = POLLIN};

	while (!atomic_load(&sink->stop)) {
		int n = udp_receive(sink->receiver, sink->fd);
		struct datagram datagram;

		while (udp_receiver_next(sink->receiver, &datagram))
			take(sink, &datagram);
		if (n <= 0)
			(void)poll(&ready, 1, WAIT_MS);
	}
	return NULL;
}

static int sink_listen(struct sink *sink)
{
	_cleanup_free_ char *error = NULL;
	struct endpoint endpoint;
	int r = endpoint_parse("127.0.0.1:0", &endpoint, &error);

	if (r < 0)
		return r;
	sink->fd = udp_listen(&endpoint);
	if (sink->fd < 0)
		return sink->fd;
	endpoint.len = sizeof(endpoint.address);
	if (getsockname(sink->fd, (struct sockaddr *)&endpoint.address, &endpoint.len) < 0)
		return -errno;
	endpoint_render(&endpoint, sink->address);
	return 0;
}

int sink_new(struct sink **ret_sink)
{
	_cleanup_(sink_freep) struct sink *sink = calloc(1, sizeof(*sink));
	int r;

	if (!sink)
		return -ENOMEM;
	sink->fd = -1;
	r = udp_receiver_new(UDP_MESSAGES_MAX, &sink->receiver);
	if (r == 0)
		r = sink_listen(sink);
	if (r == 0)
		r = -pthread_create(&sink->thread, NULL, sink_main, sink);
	if (r < 0)
		return r;
	sink->started = true;
	*ret_sink = TAKE_PTR(sink);
	return 0;
}

void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	atomic_store(&sink->stop, true);
	if (sink->started)
		pthread_join(sink->thread, NULL);
	fd_closep(&sink->fd);
	udp_receiver_free(sink->receiver);
	free(sink);
}

const char *sink_address(const struct sink *sink)
{
	return sink->address;
}

void sink_read(const struct sink *sink, struct sink_counts *ret_counts)
{
	*ret_counts = (struct sink_counts){
		.datagrams = atomic_load_explicit(&sink->datagrams, memory_order_relaxed),
		.bytes = atomic_load_explicit(&sink->bytes, memory_order_relaxed),
		.events = atomic_load_explicit(&sink->events, memory_order_relaxed),
		.refused = atomic_load_explicit(&sink->refused, memory_order_relaxed),
	};
}
