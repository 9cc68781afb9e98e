// SPDX-License-Identifier: BSD-2-Clause
/*
 * A stream of events over TCP and TLS 1.3: what everybody would take instead. Full records of 16 KB
 * when there is much to send, what there is when there is little. Events that TCP has taken count as
 * settled: an acknowledgement of processing would come on top.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "bench/link/rig.h"
#include "bench/link/tcp_loss.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_EVENTS (16384 / LINK_EVENT_BYTES)
#define READ_BYTES    (64 * 1024)

struct tls {
	SSL_CTX *client_context, *server_context;
	SSL *client, *server;
	uint8_t bytes[READ_BYTES + LINK_EVENT_BYTES];
	size_t left; /* of an event, whose rest has not come yet */
};

static void close_tls(struct link *link)
{
	struct tls *tls = link->state;

	if (!tls)
		return;
	SSL_free(tls->client);
	SSL_free(tls->server);
	SSL_CTX_free(tls->client_context);
	SSL_CTX_free(tls->server_context);
	free(tls);
}

/* Signed by itself, for this run. */
static int make_certificate(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	int ok = key && certificate && X509_set_version(certificate, X509_VERSION_3) &&
		 ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
		 X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
		 X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) &&
		 X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) &&
		 SSL_CTX_use_certificate(context, certificate) &&
		 SSL_CTX_use_PrivateKey(context, key);

	X509_free(certificate);
	EVP_PKEY_free(key);
	return ok ? 0 : -ENOMEM;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

static int listen_tcp(struct sockaddr_in *address)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*address);
	int on = 1;

	/* The port of the run before may still be closing. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)address, len) < 0 || listen(fd, 1) < 0 ||
		getsockname(fd, (struct sockaddr *)address, &len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int connect_tcp(struct link *link)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(TCP_LOSS_PORT)};
	_cleanup_fd_ int listening = -1;
	int on = 1;

	listening = listen_tcp(&address);
	if (listening < 0)
		return listening;
	link->sender_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->sender_fd < 0 ||
		connect(link->sender_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	link->receiver_fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (link->receiver_fd < 0 ||
		setsockopt(link->sender_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static int open_tls(struct link *link)
{
	struct tls *tls = link->state = calloc(1, sizeof(*tls));
	int r = tls ? connect_tcp(link) : -ENOMEM;

	if (r < 0)
		return r;
	tls->client_context = new_context(TLS_client_method());
	tls->server_context = new_context(TLS_server_method());
	if (!tls->client_context || !tls->server_context)
		return -ENOMEM;
	r = make_certificate(tls->server_context);
	if (r < 0)
		return r;
	tls->client = SSL_new(tls->client_context);
	tls->server = SSL_new(tls->server_context);
	if (!tls->client || !tls->server || SSL_set_fd(tls->client, link->sender_fd) != 1 ||
		SSL_set_fd(tls->server, link->receiver_fd) != 1)
		return -ENOMEM;
	return 0;
}

static void pause_until(uint64_t at_ns)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left = MIN(at_ns - MIN(at_ns, now_ns), LINK_QUIET_MS * NS_PER_MS);
	struct timespec timeout = {(time_t)(left / NS_PER_SEC), (long)(left % NS_PER_SEC)};

	(void)ppoll(NULL, 0, &timeout, NULL);
}

static int send_tls(struct link *link)
{
	struct tls *tls = link->state;
	uint8_t events[RECORD_EVENTS * LINK_EVENT_BYTES];

	if (SSL_connect(tls->client) != 1)
		return -EPROTO;
	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		uint64_t count = MIN(link_existing(link, now_ns) - link->sent, RECORD_EVENTS);

		if (count == 0 && link_is_over(link, now_ns))
			break;
		if (count == 0) {
			pause_until(link_next_event_ns(link, now_ns));
			continue;
		}
		link_make_events(events, link->sent + 1, count);
		link->sent += count;
		if (SSL_write(tls->client, events, (int)(count * LINK_EVENT_BYTES)) <= 0)
			return -EPIPE;
		link_settle(link, link->sent);
	}
	return SSL_shutdown(tls->client) < 0 ? -EPIPE : 0;
}

/* Checks whole events; what is left of one waits for its rest. */
static void take(struct link *link, struct tls *tls, size_t size, uint64_t now_ns)
{
	size_t all = tls->left + size, whole = all / LINK_EVENT_BYTES;

	link_note_arrival(link, now_ns);
	link->bytes += size;
	link_check_events(link, tls->bytes, LINK_EVENT_BYTES, whole, now_ns);
	tls->left = all - whole * LINK_EVENT_BYTES;
	memmove(tls->bytes, tls->bytes + whole * LINK_EVENT_BYTES, tls->left);
}

static int receive_tls(struct link *link)
{
	struct tls *tls = link->state;

	if (SSL_accept(tls->server) != 1)
		return -EPROTO;
	for (;;) {
		int n = SSL_read(tls->server, tls->bytes + tls->left, READ_BYTES);

		if (n <= 0)
			return SSL_get_error(tls->server, n) == SSL_ERROR_ZERO_RETURN ? 0 : -EPIPE;
		take(link, tls, (size_t)n, clock_monotonic_ns());
	}
}

const struct link_ends link_tls = {
	.open = open_tls, .close = close_tls, .send = send_tls, .receive = receive_tls};
