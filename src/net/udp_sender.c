// SPDX-License-Identifier: BSD-2-Clause
#include "net/udp_sender.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#define TRAINS   64 /* that wait */
#define MESSAGES 64 /* of one call */

struct train {
	uint8_t *bytes; /* what is left of it */
	size_t size, segment;
	struct endpoint to; /* len 0: the peer that the socket is connected to */
	struct udp_local from;
	bool singly;       /* it was refused as one buffer */
	int doubted_errno; /* with this, which may have been meant for UDP_SEGMENT; 0: certainly not */
};

struct message {
	size_t size;
	_Alignas(struct cmsghdr) uint8_t
		control[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_sender {
	uint8_t *bytes;
	size_t capacity, used;
	struct train trains[TRAINS]; /* [first, count) wait */
	unsigned int first, count;
	bool gso;
	int gso_errno; /* trains were given up for it; 0: they were not, or it was told */
	size_t too_long;
	struct udp_sender_stats stats;
	/* Of the call: messages of the trains from the first on, in order. */
	struct message messages[MESSAGES];
	struct mmsghdr headers[MESSAGES];
	struct iovec vectors[MESSAGES];
};

int udp_sender_new(size_t bytes, struct udp_sender **ret_sender)
{
	_cleanup_(udp_sender_freep) struct udp_sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		return -ENOMEM;
	sender->capacity = MAX(bytes, (size_t)UDP_SEND_MAX);
	sender->bytes = malloc(sender->capacity);
	if (!sender->bytes)
		return -ENOMEM;
	sender->gso = true;
	*ret_sender = TAKE_PTR(sender);
	return 0;
}

void udp_sender_free(struct udp_sender *sender)
{
	if (!sender)
		return;
	free(sender->bytes);
	free(sender);
}

uint8_t *udp_sender_room(struct udp_sender *sender, size_t size)
{
	if (sender->count == TRAINS || size > sender->capacity - sender->used)
		return NULL;
	return sender->bytes + sender->used;
}

void udp_sender_add(struct udp_sender *sender, const struct endpoint *to,
	const struct udp_local *from, size_t size, size_t segment)
{
	struct train *train = &sender->trains[sender->count++];

	train->bytes = sender->bytes + sender->used;
	train->size = size;
	train->segment = segment;
	train->singly = false;
	train->doubted_errno = 0;
	train->to.len = 0;
	train->from.family = 0;
	if (to)
		train->to = *to;
	if (from)
		train->from = *from;
	sender->used += size;
}

bool udp_sender_pending(const struct udp_sender *sender)
{
	return sender->first < sender->count;
}

void udp_sender_set_gso(struct udp_sender *sender, bool on)
{
	sender->gso = on;
}

bool udp_sender_gso_failed(struct udp_sender *sender, int *ret_errno)
{
	if (sender->gso_errno == 0)
		return false;
	*ret_errno = sender->gso_errno;
	sender->gso_errno = 0;
	return true;
}

size_t udp_sender_too_long(struct udp_sender *sender)
{
	size_t size = sender->too_long;

	sender->too_long = 0;
	return size;
}

const struct udp_sender_stats *udp_sender_stats(const struct udp_sender *sender)
{
	return &sender->stats;
}

/* ---- messages ---- */

static void put_control(struct msghdr *header, int level, int type, const void *value, size_t size)
{
	struct cmsghdr *c =
		(struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), value, size);
	header->msg_controllen += CMSG_SPACE(size);
}

static void put_local(struct msghdr *header, const struct udp_local *from)
{
	if (from->family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = from->v4};

		put_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (from->family == AF_INET6) {
		struct in6_pktinfo info = {.ipi6_addr = from->v6};

		put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void build_message(
	struct udp_sender *sender, unsigned int i, struct train *train, uint8_t *bytes, size_t size)
{
	struct msghdr *header = &sender->headers[i].msg_hdr;
	uint16_t segment = (uint16_t)train->segment;

	sender->messages[i].size = size;
	sender->vectors[i] = (struct iovec){bytes, size};
	*header = (struct msghdr){
		.msg_name = train->to.len > 0 ? &train->to.address : NULL,
		.msg_namelen = train->to.len,
		.msg_iov = &sender->vectors[i],
		.msg_iovlen = 1,
		.msg_control = sender->messages[i].control,
	};
	if (size > train->segment)
		put_control(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	put_local(header, &train->from);
	if (header->msg_controllen == 0)
		header->msg_control = NULL;
}

static unsigned int build_messages(struct udp_sender *sender)
{
	unsigned int n = 0;

	for (unsigned int t = sender->first; t < sender->count && n < MESSAGES; t++) {
		struct train *train = &sender->trains[t];
		bool whole = sender->gso && !train->singly;
		size_t offset = 0;

		do {
			size_t left = train->size - offset;
			size_t size = whole ? left : MIN(left, train->segment);

			build_message(sender, n++, train, train->bytes + offset, size);
			offset += size;
		} while (offset < train->size && n < MESSAGES);
	}
	return n;
}

/* ---- what became of them ---- */

/* The first message is dealt with. Returns its datagrams. */
static uint64_t drop_first(struct udp_sender *sender, size_t size)
{
	struct train *train = &sender->trains[sender->first];
	uint64_t datagrams = (MAX(size, 1U) - 1) / train->segment + 1;

	train->bytes += size;
	train->size -= size;
	if (train->size == 0)
		sender->first++;
	if (sender->first == sender->count)
		sender->first = sender->count = 0, sender->used = 0;
	return datagrams;
}

static void give_trains_up(struct udp_sender *sender, int error)
{
	if (!sender->gso)
		return;
	sender->gso = false;
	sender->gso_errno = error;
}

static void note_sent(struct udp_sender *sender, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct train *train = &sender->trains[sender->first];

		/* What was refused as one buffer goes one by one: UDP_SEGMENT it was. */
		if (train->singly && train->doubted_errno != 0)
			give_trains_up(sender, train->doubted_errno);
		sender->stats.bytes += sender->messages[i].size;
		sender->stats.datagrams += drop_first(sender, sender->messages[i].size);
	}
}

/* True if the train is to be tried again, one by one. */
static bool split_train(struct udp_sender *sender, struct train *train, int error)
{
	if (train->singly || !sender->gso || train->size <= train->segment)
		return false;
	switch (error) {
	case EIO: /* the device cannot checksum, or the route encrypts (Linux, udp_send_skb()) */
		give_trains_up(sender, error);
		return true;
	case EINVAL: /* or a datagram is longer than the interface's MTU (Linux before 6.13) */
	case EOPNOTSUPP:
		train->doubted_errno = error;
		train->singly = true;
		return true;
	case EMSGSIZE: /* the last datagram may still fit */
		train->singly = true;
		return true;
	default:
		return false;
	}
}

static void give_up_first(struct udp_sender *sender, int error)
{
	size_t size = sender->messages[0].size;
	size_t longest = MIN(size, sender->trains[sender->first].segment);
	uint64_t datagrams = drop_first(sender, size);

	switch (error) {
	case EMSGSIZE:
		sender->stats.too_long += datagrams;
		if (sender->too_long == 0 || longest < sender->too_long)
			sender->too_long = longest;
		break;
	case ENOBUFS:
	case ENOMEM:
		sender->stats.no_buffers += datagrams;
		break;
	default:
		sender->stats.refused += datagrams;
		sender->stats.refused_errno = error;
		break;
	}
}

int udp_sender_flush(struct udp_sender *sender, int fd)
{
	bool again = false; /* the first message has had its second chance */

	while (udp_sender_pending(sender)) {
		unsigned int count = build_messages(sender);
		int n = sendmmsg(fd, sender->headers, count, MSG_DONTWAIT | MSG_NOSIGNAL);
		int error = errno;

		sender->stats.calls++;
		if (n > 0) {
			note_sent(sender, (unsigned int)n);
			again = false;
		} else if (error == EAGAIN) {
			sender->stats.blocked++;
			return -EAGAIN;
		} else if (error == ECONNREFUSED && !again) {
			/* The answer to an earlier datagram; this one was not sent. */
			again = true;
		} else if (error != EINTR &&
			   !split_train(sender, &sender->trains[sender->first], error)) {
			give_up_first(sender, error);
			again = false;
		}
	}
	return 0;
}
