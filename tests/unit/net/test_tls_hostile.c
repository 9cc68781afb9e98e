// SPDX-License-Identifier: BSD-2-Clause
/* The control channel and peers that mean no good, or have the wrong papers. */
#include "tests/unit/net/tls_rig.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/socket.h>

#define HOUR 3600

/* ---- wrong papers ---- */

/* A client with such a certificate is refused by the server, for this reason. */
static void server_refuses(struct rig *rig, const struct mint_order *order, const struct mint *ca,
	enum tls_end end, const char *why)
{
	struct peer peer = {0};
	struct mint minted;

	mint_issue(ca, order, &minted);
	mint_write("bad.pem", minted.key, minted.certificate, ca->certificate);
	/* It believes the server whatever CA it is of itself. */
	mint_write("both.pem", NULL, ca->certificate, rig_ca.certificate);
	assert_int_equal(system("cat both.pem >> bad.pem"), 0);
	rig_connect(rig, &peer, "bad.pem");
	rig_wait_count(rig, &rig->at_server.failed, rig->at_server.failed + 1);
	if (rig->at_server.end != end || !strstr(rig->at_server.why, why))
		fail_msg("expected %s (%s), found %s (%s)", tls_end_name(end), why,
			tls_end_name(rig->at_server.end), rig->at_server.why);
	rig_disconnect(&peer);
	mint_free(&minted);
}

static void wrong_certificates_of_clients_are_refused(void **state)
{
	struct rig *rig = *state;

	rig_start_server(rig, "crl.pem");
	server_refuses(rig, &(struct mint_order){.switch_id = 7}, &rig_other_ca, TLS_UNTRUSTED,
		"unable to get local issuer certificate");
	server_refuses(rig,
		&(struct mint_order){.switch_id = 7, .from_s = -2 * HOUR, .until_s = -HOUR},
		&rig_ca, TLS_EXPIRED, "certificate has expired");
	server_refuses(rig,
		&(struct mint_order){.switch_id = 7, .from_s = HOUR, .until_s = 2 * HOUR}, &rig_ca,
		TLS_UNTRUSTED, "certificate is not yet valid");
	server_refuses(rig, &(struct mint_order){.kind = CERTIFICATE_SERVER, .host = "localhost"},
		&rig_ca, TLS_UNTRUSTED, "unsuitable certificate purpose");
	server_refuses(rig, &(struct mint_order){.names = "DNS:edge.example.net"}, &rig_ca,
		TLS_UNKNOWN_SWITCH, "is a switch's");
	server_refuses(rig,
		&(struct mint_order){.names = "URI:netlambda:switch:7,URI:netlambda:switch:8"},
		&rig_ca, TLS_UNKNOWN_SWITCH, "more than one switch");
	assert_int_equal(rig->at_server.opened, 0);
}

static void revoked_switch_is_refused_and_told_so(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};

	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	rig_start_server(rig, "crl.pem");
	rig_connect(rig, &edge, "switch.pem");
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_REVOKED);
	/* In TLS 1.3 a client is done before its certificate was looked at. */
	rig_wait_count(rig, &edge.side.closed, 1);
	assert_int_equal(edge.side.end, TLS_REFUSED);
	assert_non_null(strstr(edge.side.why, "certificate revoked"));
	rig_disconnect(&edge);
}

static void list_of_another_ca_admits_nobody(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};

	mint_write_crl("crl.pem", &rig_other_ca, NULL, HOUR);
	rig_start_server(rig, "crl.pem");
	rig_connect(rig, &edge, "switch.pem");
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_UNTRUSTED);
	assert_non_null(strstr(rig->at_server.why, "unable to get certificate CRL"));
	rig_disconnect(&edge);
}

/* Who one is comes from the certificate, so another's certificate is that other. */
static void other_switchs_certificate_is_the_other_switch(void **state)
{
	struct rig *rig = *state;
	struct peer other = {0};
	struct mint minted;

	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 8}, &minted);
	mint_write("other.pem", minted.key, minted.certificate, rig_ca.certificate);
	rig_start_server(rig, NULL);
	rig_connect(rig, &other, "other.pem");
	rig_wait_count(rig, &rig->at_server.opened, 1);
	assert_int_equal(rig->at_server.switch_id, 8);
	rig_disconnect(&other);
	mint_free(&minted);
}

/* A server with such a certificate is not believed by the agent. */
static void client_refuses(struct rig *rig, const struct mint_order *order, const struct mint *ca,
	enum tls_end end, const char *why)
{
	struct peer edge = {0};
	struct mint minted;

	mint_issue(ca, order, &minted);
	mint_write("server.pem", minted.key, minted.certificate, ca->certificate);
	rig_start_server(rig, NULL);
	rig_connect(rig, &edge, "switch.pem");
	rig_wait_count(rig, &edge.side.failed, 1);
	if (edge.side.end != end || !strstr(edge.side.why, why))
		fail_msg("expected %s (%s), found %s (%s)", tls_end_name(end), why,
			tls_end_name(edge.side.end), edge.side.why);
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(edge.side.opened, 0);
	rig_disconnect(&edge);
	rig_stop_server(rig);
	rig->at_server = (struct side){0};
	mint_free(&minted);
}

static void wrong_certificates_of_servers_are_refused(void **state)
{
	struct rig *rig = *state;

	client_refuses(rig, &(struct mint_order){.kind = CERTIFICATE_SERVER, .host = "localhost"},
		&rig_other_ca, TLS_UNTRUSTED, "unable to get local issuer certificate");
	client_refuses(rig,
		&(struct mint_order){.kind = CERTIFICATE_SERVER, .host = "lambda.example.net"},
		&rig_ca, TLS_UNTRUSTED, "hostname mismatch");
	/* The common name does not count, and a switch is no server. */
	client_refuses(rig,
		&(struct mint_order){
			.kind = CERTIFICATE_SERVER, .name = "localhost", .host = "192.0.2.1"},
		&rig_ca, TLS_UNTRUSTED, "hostname mismatch");
	client_refuses(rig,
		&(struct mint_order){.switch_id = 7, .names = "DNS:localhost,IP:127.0.0.1"},
		&rig_ca, TLS_UNTRUSTED, "unsuitable certificate purpose");
	client_refuses(rig,
		&(struct mint_order){.kind = CERTIFICATE_SERVER,
			.host = "localhost",
			.from_s = -2 * HOUR,
			.until_s = -HOUR},
		&rig_ca, TLS_EXPIRED, "certificate has expired");
}

static void address_is_not_matched_by_a_name_of_digits(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct mint minted;

	mint_issue(&rig_ca,
		&(struct mint_order){.kind = CERTIFICATE_SERVER, .names = "DNS:127.0.0.1"},
		&minted);
	mint_write("server.pem", minted.key, minted.certificate, rig_ca.certificate);
	rig_start_server(rig, NULL);
	rig_connect_to(rig, &edge, "switch.pem", "127.0.0.1");
	rig_wait_count(rig, &edge.side.failed, 1);
	assert_int_equal(edge.side.end, TLS_UNTRUSTED);
	rig_disconnect(&edge);
	mint_free(&minted);
}

/* ---- other programs than ours ---- */

/* A client of OpenSSL's that is driven beside the loop. */
struct stranger {
	int fd;
	SSL_CTX *context;
	SSL *ssl;
	bool ended; /* its handshake, well or not, or reading */
	int error;
};

static void stranger_begin(struct rig *rig, struct stranger *stranger, int version,
	const char *ciphers, const unsigned char *alpn, unsigned int alpn_size)
{
	*stranger = (struct stranger){.fd = rig_tcp(rig)};
	stranger->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(stranger->context, version);
	if (ciphers)
		assert_int_equal(SSL_CTX_set_ciphersuites(stranger->context, ciphers), 1);
	stranger->ssl = SSL_new(stranger->context);
	if (alpn)
		SSL_set_alpn_protos(stranger->ssl, alpn, alpn_size);
	SSL_set_fd(stranger->ssl, stranger->fd);
	SSL_set_connect_state(stranger->ssl);
	assert_int_equal(fcntl(stranger->fd, F_SETFL, O_NONBLOCK), 0);
}

static void stranger_free(struct stranger *stranger)
{
	SSL_free(stranger->ssl);
	SSL_CTX_free(stranger->context);
	close(stranger->fd);
}

/* Shakes hands, then reads: as a whole it must come to an end. */
static bool stranger_ended(void *user)
{
	struct stranger *stranger = user;
	char byte;
	int n;

	ERR_clear_error();
	n = SSL_read(stranger->ssl, &byte, 1);
	if (n > 0)
		return false;
	n = SSL_get_error(stranger->ssl, n);
	if (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
		return false;
	stranger->error = ERR_GET_REASON(ERR_peek_error());
	stranger->ended = true;
	return true;
}

#define ALERT(number) (SSL_AD_REASON_OFFSET + (number))
static const unsigned char our_alpn[] = "\x0bnetlambda/2", http[] = "\x02h2\x08http/1.1";

static void client_without_a_certificate_is_refused(void **state)
{
	struct rig *rig = *state;
	struct stranger stranger;

	rig_start_server(rig, NULL);
	stranger_begin(rig, &stranger, TLS1_3_VERSION, NULL, our_alpn, sizeof(our_alpn) - 1);
	rig_wait(rig, stranger_ended, &stranger);
	assert_int_equal(stranger.error, ALERT(SSL_AD_CERTIFICATE_REQUIRED));
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_UNTRUSTED);
	stranger_free(&stranger);
}

static void tls_1_2_and_other_protocols_are_refused(void **state)
{
	struct rig *rig = *state;
	struct stranger stranger;

	rig_start_server(rig, NULL);
	stranger_begin(rig, &stranger, TLS1_2_VERSION, NULL, our_alpn, sizeof(our_alpn) - 1);
	rig_wait(rig, stranger_ended, &stranger);
	assert_int_equal(stranger.error, ALERT(SSL_AD_PROTOCOL_VERSION));
	stranger_free(&stranger);
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_NOT_TLS);
	stranger_begin(rig, &stranger, TLS1_3_VERSION, NULL, http, sizeof(http) - 1);
	rig_wait(rig, stranger_ended, &stranger);
	assert_int_equal(stranger.error, ALERT(SSL_AD_NO_APPLICATION_PROTOCOL));
	stranger_free(&stranger);
	rig_wait_count(rig, &rig->at_server.failed, 2);
	assert_int_equal(rig->at_server.end, TLS_NOT_TLS);
	/* A cipher that is not ours: 128 bits. */
	stranger_begin(rig, &stranger, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", our_alpn,
		sizeof(our_alpn) - 1);
	rig_wait(rig, stranger_ended, &stranger);
	assert_int_equal(stranger.error, ALERT(SSL_AD_HANDSHAKE_FAILURE));
	stranger_free(&stranger);
	rig_wait_count(rig, &rig->at_server.failed, 3);
}

/* With a good certificate, but nothing said of the protocol. */
static void client_without_alpn_is_refused(void **state)
{
	struct rig *rig = *state;
	struct stranger stranger;

	rig_start_server(rig, NULL);
	stranger_begin(rig, &stranger, TLS1_3_VERSION, NULL, NULL, 0);
	assert_int_equal(SSL_use_certificate(stranger.ssl, rig_switch.certificate), 1);
	assert_int_equal(SSL_use_PrivateKey(stranger.ssl, rig_switch.key), 1);
	rig_wait(rig, stranger_ended, &stranger);
	stranger_free(&stranger);
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_NOT_TLS);
	assert_int_equal(rig->at_server.opened, 0);
}

static bool socket_ended(void *user)
{
	char bytes[512];
	ssize_t n = recv(*(int *)user, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void plaintext_and_garbage_are_refused(void **state)
{
#define TEXT(literal) literal, sizeof(literal) - 1
	static const struct {
		const char *text;
		size_t size;
		bool ends;
	} cases[] = {
		{TEXT("GET / HTTP/1.1\r\nHost: lambda\r\n\r\n"), false},
		{TEXT("SSH-2.0-OpenSSH_9.2\r\n"), false},
		{TEXT("\x16\x03\x01\xff\xff a record of 65535 bytes, it says"), false},
		{TEXT("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), true}, /* a ClientHello, cut */
		{TEXT("\x01\x00\x00\x04\x02\x02\x00\x00"), true},         /* a HELLO of ours */
		{TEXT(""), true},
	};
	struct rig *rig = *state;

	rig_start_server(rig, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = rig_tcp(rig);

		assert_int_equal(
			send(fd, cases[i].text, cases[i].size, MSG_NOSIGNAL), cases[i].size);
		if (cases[i].ends)
			shutdown(fd, SHUT_WR);
		rig_wait(rig, socket_ended, &fd);
		close(fd);
		rig_wait_count(rig, &rig->at_server.failed, i + 1);
	}
	assert_int_equal(rig->at_server.opened, 0);
}

/* ---- those that want to keep us busy ---- */

static void good_switch_gets_through(struct rig *rig)
{
	unsigned int before = rig->at_server.messages;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(1, 100, bytes);

	rig_join(rig, &edge);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	rig_wait_count(rig, &rig->at_server.messages, before + 1);
	rig_disconnect(&edge);
}

/* Handshakes that do not go on, from one address: a few are borne, the others closed at once. */
static void slow_handshakes_of_one_address_are_few_and_end(void **state)
{
	enum { MANY = 40, FEW = 4 };
	struct rig *rig = *state;
	struct tls_server_stats stats;
	int fds[MANY];

	rig->options.limits.handshakes_machine_max = FEW;
	rig->options.handshake_ns = 2 * NS_PER_SEC;
	rig_start_server(rig, NULL);
	for (int i = 0; i < MANY; i++) {
		fds[i] = rig_tcp(rig);
		/* The beginning of a ClientHello. */
		assert_int_equal(
			send(fds[i], "\x16\x03\x01\x02\x00", 1 + i % 5, MSG_NOSIGNAL), 1 + i % 5);
	}
	rig_wait_count(rig, &rig->at_server.failed, FEW);
	assert_int_equal(rig->at_server.end, TLS_TIMEOUT);
	tls_server_stats(rig->server, &stats);
	assert_int_equal(stats.away[EXCESS_MACHINE_PLACES], MANY - FEW);
	assert_int_equal(stats.accepted, FEW);
	good_switch_gets_through(rig);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}

/* One byte now and then does not buy more time. */
static void dripping_handshake_ends_as_well(void **state)
{
	struct rig *rig = *state;
	int fd;

	rig->options.handshake_ns = 2 * NS_PER_SEC;
	rig_start_server(rig, NULL);
	fd = rig_tcp(rig);
	assert_int_equal(
		send(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, MSG_NOSIGNAL), 11);
	while (rig->at_server.failed == 0) {
		rig_run(rig, 20);
		(void)!send(fd, "x", 1, MSG_NOSIGNAL);
	}
	assert_int_equal(rig->at_server.end, TLS_TIMEOUT);
	close(fd);
}

/* A flood that goes on: at each turn of the loop some more connections, which it never closes itself. */
struct flood {
	struct rig *rig;
	struct loop_timer timer;
	uint32_t networks; /* that it comes from: 127.1.0.0/24 and on */
	bool garbage;      /* every other is no handshake at all */
	int fds[2000];
	size_t count;
};

static void on_flood(struct loop_timer *timer, uint64_t now_ns)
{
	enum { A_TURN = 10 };
	struct flood *flood = timer->user;

	for (int i = 0; i < A_TURN && flood->count < ARRAY_SIZE(flood->fds); i++) {
		uint32_t number = (uint32_t)flood->count;
		uint32_t network = 0x100 + number % flood->networks;
		int fd = rig_tcp_from(
			flood->rig, network << 8 | (number / flood->networks % 250 + 1));

		if (flood->garbage && number % 2 == 0)
			(void)!send(fd, "garbage\r\n", 9, MSG_NOSIGNAL);
		flood->fds[flood->count++] = fd;
	}
	loop_arm_timer(flood->rig->loop, timer, now_ns + NS_PER_MS);
}

static void flood_begin(struct rig *rig, struct flood *flood, uint32_t networks, bool garbage)
{
	*flood = (struct flood){.rig = rig, .networks = networks, .garbage = garbage};
	flood->timer = (struct loop_timer){.fn = on_flood, .user = flood};
	loop_arm_timer(rig->loop, &flood->timer, loop_now_ns(rig->loop));
}

static void flood_end(struct flood *flood)
{
	loop_disarm_timer(&flood->timer);
	for (size_t i = 0; i < flood->count; i++)
		close(flood->fds[i]);
}

struct away {
	const struct rig *rig;
	enum connection_excess excess;
};

static bool was_turned_away(void *user)
{
	const struct away *away = user;
	struct tls_server_stats stats;

	tls_server_stats(away->rig->server, &stats);
	return stats.away[away->excess] > 0;
}

/* The switch comes back, and needs one attempt. */
static void join_at_once(struct rig *rig)
{
	struct tls_client_stats stats;
	struct peer edge = {0};

	rig_join(rig, &edge);
	tls_client_stats(edge.client, &stats);
	assert_int_equal(stats.attempts, 1);
	rig_disconnect(&edge);
}

static void known_switch_comes_back_at_once_in_a_flood(void **state)
{
	struct rig *rig = *state;
	static struct flood flood;

	rig->options.limits.rates = (struct connection_rates){0}; /* the usual ones */
	rig_start_server(rig, NULL);
	join_at_once(rig);
	flood_begin(rig, &flood, 200, true);
	rig_wait(rig, was_turned_away, &(struct away){rig, EXCESS_PLACES});
	for (int i = 0; i < 3; i++)
		join_at_once(rig);
	rig_wait(rig, was_turned_away, &(struct away){rig, EXCESS_RATE});
	for (int i = 0; i < 3; i++)
		join_at_once(rig);
	flood_end(&flood);
}

/* It was never seen, and the flood is of one network, which has neither all places nor all turns. */
static void new_switch_comes_at_once_in_a_flood_of_another_network(void **state)
{
	struct rig *rig = *state;
	static struct flood flood;

	rig->options.limits.rates = (struct connection_rates){0}; /* the usual ones */
	rig_start_server(rig, NULL);
	flood_begin(rig, &flood, 1, false);
	rig_wait(rig, was_turned_away, &(struct away){rig, EXCESS_NETWORK_PLACES});
	rig_wait(rig, was_turned_away, &(struct away){rig, EXCESS_NETWORK_RATE});
	join_at_once(rig);
	flood_end(&flood);
}

static bool has_opened(void *user)
{
	struct stranger *stranger = user;

	if (SSL_do_handshake(stranger->ssl) == 1)
		return true;
	assert_int_equal(SSL_get_error(stranger->ssl, -1), SSL_ERROR_WANT_READ);
	return false;
}

/* Half a handshake, a flood that takes all places there are, and the other half. */
static void handshake_that_goes_on_is_not_pushed_out(void **state)
{
	enum { MOST = 16 };
	struct rig *rig = *state;
	struct stranger stranger;
	static struct flood flood;

	rig->options.limits.handshakes_max = MOST;
	rig->options.handshake_spared_ns = 3600 * NS_PER_SEC;
	rig_start_server(rig, NULL);
	stranger_begin(rig, &stranger, TLS1_3_VERSION, NULL, our_alpn, sizeof(our_alpn) - 1);
	assert_int_equal(SSL_use_certificate(stranger.ssl, rig_switch.certificate), 1);
	assert_int_equal(SSL_use_PrivateKey(stranger.ssl, rig_switch.key), 1);
	assert_int_equal(SSL_do_handshake(stranger.ssl), -1);
	flood_begin(rig, &flood, 200, false);
	rig_wait(rig, was_turned_away, &(struct away){rig, EXCESS_PLACES});
	rig_wait(rig, has_opened, &stranger);
	rig_wait_count(rig, &rig->at_server.opened, 1);
	flood_end(&flood);
	stranger_free(&stranger);
}

/* Handshakes that hang take no place for longer than they are spared. */
static void handshakes_that_hang_make_room(void **state)
{
	enum { FLOOD = 200, MOST = 16 };
	struct rig *rig = *state;
	struct tls_server_stats stats;
	int fds[FLOOD];

	rig->options.limits.handshakes_max = MOST;
	rig->options.handshake_spared_ns = 1;
	rig->options.handshake_ns = 3600 * NS_PER_SEC;
	rig_start_server(rig, NULL);
	for (uint32_t i = 0; i < FLOOD; i++) {
		fds[i] = rig_tcp_from(rig, i << 8 | 2);
		if (i % 40 == 39)
			good_switch_gets_through(rig);
	}
	tls_server_stats(rig->server, &stats);
	assert_true(stats.handshakes <= MOST);
	assert_int_equal(stats.ends[TLS_CROWDED], FLOOD - MOST);
	assert_int_equal(stats.away[EXCESS_PLACES], 0);
	for (int i = 0; i < FLOOD; i++)
		close(fds[i]);
}

/* Who was told no has no claim to its place, however young. */
static void those_that_linger_make_room_first(void **state)
{
	enum { MOST = 4 };
	struct rig *rig = *state;
	struct tls_server_stats stats;
	int fds[MOST];

	rig->options.limits.handshakes_max = MOST;
	rig->options.handshake_spared_ns = 3600 * NS_PER_SEC;
	rig_start_server(rig, NULL);
	for (uint32_t i = 0; i < MOST; i++) {
		fds[i] = rig_tcp_from(rig, i << 8 | 2);
		if (i == MOST / 2)
			assert_int_equal(send(fds[i], "garbage\r\n", 9, MSG_NOSIGNAL), 9);
	}
	rig_wait_count(rig, &rig->at_server.failed, 1);
	join_at_once(rig);
	tls_server_stats(rig->server, &stats);
	assert_int_equal(stats.handshakes, MOST - 1);
	assert_int_equal(stats.ends[TLS_CROWDED], 0);
	assert_int_equal(stats.away[EXCESS_PLACES], 0);
	for (int i = 0; i < MOST; i++)
		close(fds[i]);
}

/* A switch that is connected does not notice connections that come and go. */
static void flood_does_not_disturb_who_is_connected(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(1, 100, bytes);

	rig_start_server(rig, NULL);
	rig->at_server.echo = true;
	rig_join(rig, &edge);
	for (unsigned int i = 0; i < 200; i++) {
		int fd = rig_tcp(rig);

		if (i % 3 == 0)
			assert_int_equal(send(fd, "garbage\r\n", 9, MSG_NOSIGNAL), 9);
		close(fd);
		if (i % 10 != 0)
			continue;
		assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
		rig_wait_count(rig, &edge.side.messages, i / 10 + 1);
	}
	assert_int_equal(edge.side.closed, 0);
	rig_disconnect(&edge);
}

static void more_switches_than_allowed_are_refused(void **state)
{
	struct rig *rig = *state;
	struct peer edges[3] = {0};

	rig->options.channels_max = 2;
	rig_start_server(rig, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		struct mint minted;

		mint_issue(&rig_ca, &(struct mint_order){.switch_id = 100 + i}, &minted);
		mint_write("many.pem", minted.key, minted.certificate, rig_ca.certificate);
		rig_connect(rig, &edges[i], "many.pem");
		if (i < 2)
			rig_wait_count(rig, &rig->at_server.opened, i + 1);
		mint_free(&minted);
	}
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_CROWDED);
	for (int i = 0; i < 3; i++)
		rig_disconnect(&edges[i]);
}

/* ---- those that have a certificate ---- */

static void garbage_from_a_switch_ends_its_channel_only(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0}, good = {0};
	uint8_t bytes[8] = {1, 0, 0xff, 0xff};
	struct mint minted;

	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 8}, &minted);
	mint_write("good.pem", minted.key, minted.certificate, rig_ca.certificate);
	rig_start_server(rig, NULL);
	rig_connect(rig, &good, "good.pem");
	rig_wait_count(rig, &rig->at_server.opened, 1);
	rig_join(rig, &edge);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, sizeof(bytes)), 0);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_BAD_MESSAGE);
	assert_int_equal(rig->at_server.messages, 0);
	assert_int_equal(good.side.closed, 0);
	rig_disconnect(&edge);
	rig_disconnect(&good);
	mint_free(&minted);
}

/* 4097 bytes, the least that is too long; 4096 is taken. */
static void message_one_byte_too_long_is_refused(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(1, 4092, bytes);

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	rig_wait_count(rig, &rig->at_server.messages, 1);
	bytes[3]++;
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_BAD_MESSAGE);
	rig_disconnect(&edge);
}

/* A connection that ends in the middle of a message hands over nothing of it. */
static void half_a_message_is_none(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(1, 1000, bytes);

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size / 2), 0);
	tls_channel_close(edge.side.channel);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_BY_PEER);
	assert_int_equal(rig->at_server.messages, 0);
	rig_disconnect(&edge);
}

/* It connects, says a little, and takes nothing of what it is sent. */
static void switch_that_takes_nothing_is_given_up(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(1, 4092, bytes);

	rig->options.stall_ns = 300 * NS_PER_MS;
	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	tls_channel_pause(edge.side.channel, true);
	while (rig->at_server.closed == 0) {
		while (rig->at_server.channel &&
			tls_channel_send(rig->at_server.channel, bytes, size) == 0)
			;
		rig_run(rig, 5);
	}
	/* Linux may be the first to say it: the connection timed out. */
	assert_true(rig->at_server.end == TLS_STALLED || rig->at_server.end == TLS_BROKEN);
	rig_disconnect(&edge);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		WITH_RIG(wrong_certificates_of_clients_are_refused),
		WITH_RIG(revoked_switch_is_refused_and_told_so),
		WITH_RIG(list_of_another_ca_admits_nobody),
		WITH_RIG(other_switchs_certificate_is_the_other_switch),
		WITH_RIG(wrong_certificates_of_servers_are_refused),
		WITH_RIG(address_is_not_matched_by_a_name_of_digits),
		WITH_RIG(client_without_a_certificate_is_refused),
		WITH_RIG(tls_1_2_and_other_protocols_are_refused),
		WITH_RIG(client_without_alpn_is_refused),
		WITH_RIG(plaintext_and_garbage_are_refused),
		WITH_RIG(slow_handshakes_of_one_address_are_few_and_end),
		WITH_RIG(dripping_handshake_ends_as_well),
		WITH_RIG(known_switch_comes_back_at_once_in_a_flood),
		WITH_RIG(new_switch_comes_at_once_in_a_flood_of_another_network),
		WITH_RIG(handshake_that_goes_on_is_not_pushed_out),
		WITH_RIG(handshakes_that_hang_make_room),
		WITH_RIG(those_that_linger_make_room_first),
		WITH_RIG(flood_does_not_disturb_who_is_connected),
		WITH_RIG(more_switches_than_allowed_are_refused),
		WITH_RIG(garbage_from_a_switch_ends_its_channel_only),
		WITH_RIG(message_one_byte_too_long_is_refused),
		WITH_RIG(half_a_message_is_none),
		WITH_RIG(switch_that_takes_nothing_is_given_up),
	};

	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
