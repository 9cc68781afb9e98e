// SPDX-License-Identifier: BSD-2-Clause
#include "server/version1.h"

#include "base/event_clock.h"
#include "base/log.h"
#include "base/random.h"
#include "net/udp_receiver.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Batches of datagrams taken in one go before other sources get their turn. */
#define RECEIVE_ROUNDS 16

struct version1 {
	int fd;
	struct loop_io io;
	struct udp_receiver *receiver;
	struct ingest *ingest;
	double drop_rate;
	struct random_stream random;
	uint64_t simulated_drops, reply_failures, receive_failures;
};

static void receive_one(struct version1 *version1, const struct datagram *datagram, uint64_t now_ns)
{
	if (version1->drop_rate > 0 &&
		random_stream_unit(&version1->random) < version1->drop_rate) {
		version1->simulated_drops++;
		return;
	}
	ingest_datagram(version1->ingest, datagram->from, datagram->bytes, datagram->size, now_ns);
}

static void on_datagrams(struct loop_io *io, uint32_t events _unused_)
{
	struct version1 *version1 = io->user;

	for (int round = 0; round < RECEIVE_ROUNDS; round++) {
		int n = udp_receive(version1->receiver, io->fd);
		uint64_t now_ns = event_clock_ns();
		struct datagram datagram;

		if (n < 0) {
			version1->receive_failures++;
			log_limited(LOG_LEVEL_WARNING, "cannot receive error=\"%s\"", strerror(-n));
		}
		if (n <= 0)
			break;
		while (udp_receiver_next(version1->receiver, &datagram))
			receive_one(version1, &datagram, now_ns);
	}
}

void version1_reply(void *user, const struct endpoint *to, const void *bytes, size_t size)
{
	struct version1 *version1 = user;

	if (sendto(version1->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *)&to->address, to->len) != (ssize_t)size)
		version1->reply_failures++;
}

void version1_write_metrics(const struct version1 *version1, struct metrics *metrics)
{
	struct udp_memory memory;

	metrics_single(metrics, "netlambda_version1_reply_failures_total", METRIC_COUNTER,
		"Acknowledgements that could not be sent.", version1->reply_failures);
	metrics_single(metrics, "netlambda_version1_receive_failures_total", METRIC_COUNTER,
		"System calls for receiving that failed.", version1->receive_failures);
	if (udp_get_memory(version1->fd, &memory) == 0)
		metrics_single(metrics, "netlambda_version1_socket_drops_total", METRIC_COUNTER,
			"Datagrams that found the socket's buffer full.", memory.drops);
}

uint64_t version1_simulated_drops(const struct version1 *version1)
{
	return version1 ? version1->simulated_drops : 0;
}

int version1_new(struct loop *loop, int fd, struct ingest *ingest, double drop_rate,
	struct version1 **ret_version1)
{
	_cleanup_(version1_freep) struct version1 *version1 = calloc(1, sizeof(*version1));
	int r;

	if (!version1) {
		close(fd);
		return -ENOMEM;
	}
	version1->fd = fd;
	version1->ingest = ingest;
	version1->drop_rate = drop_rate;
	version1->io = (struct loop_io){.fn = on_datagrams, .user = version1};
	r = udp_receiver_new(UDP_MESSAGES_MAX, &version1->receiver);
	if (r == 0)
		r = random_stream_init(&version1->random);
	if (r == 0)
		r = loop_add_io(loop, &version1->io, fd, EPOLLIN);
	if (r < 0)
		return r;
	ingest->user = version1;
	*ret_version1 = TAKE_PTR(version1);
	return 0;
}

void version1_stop(struct version1 *version1)
{
	loop_remove_io(&version1->io);
}

void version1_free(struct version1 *version1)
{
	version1_stop(version1);
	udp_receiver_free(version1->receiver);
	close(version1->fd);
	free(version1);
}
