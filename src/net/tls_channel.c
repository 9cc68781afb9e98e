// SPDX-License-Identifier: BSD-2-Clause
#include "net/tls_channel_private.h"

#include "net/tls_socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_ready(struct loop_io *io, uint32_t events);

/* ---- life ---- */

static void set_state(struct tls_channel *channel, enum tls_state state)
{
	if (channel->state < TLS_GONE)
		channel->owner->count[channel->state]--;
	if (state < TLS_GONE)
		channel->owner->count[state]++;
	channel->state = state;
	channel->since_ns = loop_now_ns(channel->owner->loop);
	channel->progress_ns = channel->since_ns;
}

static void unlink_channel(struct tls_channel *channel)
{
	*channel->link = channel->next;
	if (channel->next)
		channel->next->link = channel->link;
}

static void link_channel(struct tls_owner *owner, struct tls_channel *channel)
{
	channel->owner = owner;
	channel->next = owner->channels;
	channel->link = &owner->channels;
	if (channel->next)
		channel->next->link = &channel->next;
	owner->channels = channel;
}

static void free_channel(struct tls_channel *channel)
{
	SSL_free(channel->ssl);
	free(channel);
}

/* Out of the loop and the list; the socket is closed. Freed once nobody is busy with it. */
static void let_go(struct tls_channel *channel, enum tls_end end)
{
	loop_remove_io(&channel->io);
	close(channel->io.fd);
	tls_grant_end(&channel->grant);
	set_state(channel, TLS_GONE);
	unlink_channel(channel);
	if (channel->owner->gone)
		channel->owner->gone(channel->owner, channel, end);
	if (channel->busy == 0)
		free_channel(channel);
}

/* Has said all. Waits for the peer's end, so that no reset destroys what was said last. */
static void begin_lingering(struct tls_channel *channel)
{
	shutdown(channel->io.fd, SHUT_WR);
	channel->out_size = 0;
	channel->wants_write = false;
	set_state(channel, TLS_LINGERING);
}

void tls_channel_end(struct tls_channel *channel, enum tls_end end, const char *why)
{
	const struct tls_callbacks *callbacks = channel->owner->callbacks;
	enum tls_state state = channel->state;

	if (state == TLS_GONE)
		return;
	channel->busy++;
	let_go(channel, end);
	if (state == TLS_OPEN && callbacks->closed)
		callbacks->closed(channel->owner->user, channel, end, why);
	else if (state < TLS_OPEN && callbacks->failed)
		callbacks->failed(channel->owner->user, &channel->peer.address, end, why);
	if (--channel->busy == 0)
		free_channel(channel);
}

/* A peer that is not to be believed: it gets to read OpenSSL's alert, which says why. */
static void refuse(struct tls_channel *channel, enum tls_end end, const char *why)
{
	const struct tls_callbacks *callbacks = channel->owner->callbacks;

	channel->counted = true;
	tls_grant_end(&channel->grant);
	begin_lingering(channel);
	if (channel->owner->refused)
		channel->owner->refused(channel->owner, end);
	if (callbacks->failed)
		callbacks->failed(channel->owner->user, &channel->peer.address, end, why);
}

static void set_events(struct tls_channel *channel)
{
	uint32_t events = 0;

	if (channel->state == TLS_GONE)
		return;
	if (channel->state == TLS_CONNECTING || channel->wants_write || channel->out_size > 0)
		events |= EPOLLOUT;
	if (channel->state == TLS_SHAKING || channel->state == TLS_LINGERING ||
		(channel->state == TLS_OPEN && !channel->paused))
		events |= EPOLLIN;
	/* Should it fail, the next tick tries again. */
	if (events != channel->events && loop_set_io(&channel->io, events) == 0)
		channel->events = events;
}

int tls_channel_new(struct tls_owner *owner, int fd, const struct endpoint *address,
	enum tls_state state, struct tls_channel **ret_channel)
{
	struct tls_channel *channel = calloc(1, sizeof(*channel));
	BIO *bio = tls_socket_bio(fd);
	int r = -ENOMEM;

	if (channel && bio)
		channel->ssl = tls_context_ssl(owner->context);
	if (channel && channel->ssl) {
		SSL_set_bio(channel->ssl, bio, bio);
		bio = NULL;
		channel->peer.address = *address;
		channel->io = (struct loop_io){.fn = on_ready, .user = channel};
		channel->events = state == TLS_CONNECTING ? EPOLLOUT : EPOLLIN;
		r = loop_add_io(owner->loop, &channel->io, fd, channel->events);
	}
	if (r < 0) {
		BIO_free(bio);
		if (channel)
			free_channel(channel);
		close(fd);
		return r;
	}
	link_channel(owner, channel);
	channel->state = TLS_GONE; /* which is not counted */
	set_state(channel, state);
	if (ret_channel)
		*ret_channel = channel;
	return 0;
}

/* ---- why OpenSSL says no ---- */

struct verdict {
	enum tls_end end;
	char why[256];
};

static enum tls_end end_of_reason(int reason, long verified)
{
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		if (verified == X509_V_ERR_CERT_REVOKED)
			return TLS_REVOKED;
		return verified == X509_V_ERR_CERT_HAS_EXPIRED ? TLS_EXPIRED : TLS_UNTRUSTED;
	}
	if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return TLS_UNTRUSTED;
	/* Alerts that came have their numbers from here on. */
	if (reason == SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL ||
		reason == SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION)
		return TLS_NOT_TLS;
	return reason >= SSL_AD_REASON_OFFSET ? TLS_REFUSED : TLS_NOT_TLS;
}

/* From OpenSSL's queue, which is empty afterwards. */
static void judge(const struct tls_channel *channel, int ssl_error, int system_error,
	struct verdict *ret_verdict)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_REASON(code);
	const char *text = code ? ERR_reason_error_string(code) : NULL;
	long verified = SSL_get_verify_result(channel->ssl);

	ERR_clear_error();
	if (ssl_error == SSL_ERROR_ZERO_RETURN) {
		*ret_verdict = (struct verdict){TLS_BY_PEER, "the peer closed the connection"};
		return;
	}
	if (code == 0 || ssl_error == SSL_ERROR_SYSCALL ||
		reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ret_verdict->end = TLS_BROKEN;
		snprintf(ret_verdict->why, sizeof(ret_verdict->why), "%s",
			system_error ? strerror(system_error) : "the peer went away");
		return;
	}
	if (reason == ERR_R_MALLOC_FAILURE) {
		*ret_verdict = (struct verdict){TLS_NO_MEMORY, "out of memory"};
		return;
	}
	ret_verdict->end = end_of_reason(reason, verified);
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(ret_verdict->why, sizeof(ret_verdict->why), "the peer's certificate: %s",
			X509_verify_cert_error_string(verified));
	else
		snprintf(ret_verdict->why, sizeof(ret_verdict->why), "%s%s",
			reason >= SSL_AD_REASON_OFFSET ? "the peer said: " : "",
			text ? text : "OpenSSL gives no reason");
}

/*
 * After a call that returned `n`, not above 0: whether to wait for the socket. Otherwise the channel
 * has ended.
 */
static bool must_wait(struct tls_channel *channel, int n)
{
	int system_error = errno, ssl_error = SSL_get_error(channel->ssl, n);
	struct verdict verdict;

	channel->wants_write = ssl_error == SSL_ERROR_WANT_WRITE;
	if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE)
		return true;
	judge(channel, ssl_error, ssl_error == SSL_ERROR_SYSCALL ? system_error : 0, &verdict);
	if (channel->state == TLS_SHAKING && verdict.end != TLS_BROKEN)
		refuse(channel, verdict.end, verdict.why);
	else
		tls_channel_end(channel, verdict.end, verdict.why);
	return false;
}

/* ---- connecting and shaking hands ---- */

static bool connected(struct tls_channel *channel)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(channel->io.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0) {
		tls_channel_end(channel, TLS_BROKEN, strerror(error));
		return false;
	}
	set_state(channel, TLS_SHAKING);
	return true;
}

static bool has_alpn(const SSL *ssl)
{
	const unsigned char *name;
	unsigned int size;

	SSL_get0_alpn_selected(ssl, &name, &size);
	return size == strlen(TLS_ALPN) && memcmp(name, TLS_ALPN, size) == 0;
}

static void grant_ended(struct tls_grant *grant, enum tls_end end)
{
	struct tls_channel *channel = grant->user;

	/* One that is being closed says its last word, and is gone in a moment. */
	if (channel->state == TLS_OPEN)
		tls_channel_end(channel, end, "the peer's certificate is not good any more");
}

static enum tls_end take_peer(struct tls_channel *channel, char **ret_why)
{
	X509 *certificate = SSL_get0_peer_certificate(channel->ssl);
	int r;

	channel->grant.ended = grant_ended;
	channel->grant.user = channel;
	r = tls_grant_begin(&channel->grant, channel->owner->context, channel->ssl);
	if (r < 0)
		return r == -ENOMEM ? TLS_NO_MEMORY : TLS_UNTRUSTED;
	channel->peer.until_s = channel->grant.until_s;
	identity_name(certificate, channel->peer.name);
	certificate_serial(certificate, channel->peer.serial);
	return channel->owner->admit(channel, ret_why);
}

static void shaken(struct tls_channel *channel)
{
	const struct tls_callbacks *callbacks = channel->owner->callbacks;
	_cleanup_free_ char *why = NULL;
	enum tls_end end;

	if (!has_alpn(channel->ssl)) {
		refuse(channel, TLS_NOT_TLS, "the peer does not speak \"" TLS_ALPN "\"");
		return;
	}
	end = take_peer(channel, &why);
	if (end != TLS_END_NONE) {
		refuse(channel, end, why ? why : tls_end_name(end));
		return;
	}
	set_state(channel, TLS_OPEN);
	callbacks->opened(channel->owner->user, channel);
}

static void shake(struct tls_channel *channel)
{
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(channel->ssl);
	if (n != 1) {
		must_wait(channel, n);
		return;
	}
	channel->wants_write = false;
	shaken(channel);
}

/* ---- messages ---- */

static void hand_over(struct tls_channel *channel)
{
	const struct tls_callbacks *callbacks = channel->owner->callbacks;

	while (channel->state == TLS_OPEN && !channel->paused) {
		const uint8_t *message;
		size_t size;

		if (v2_framer_next(&channel->in, &message, &size) != V2_OK) {
			tls_channel_end(
				channel, TLS_BAD_MESSAGE, "a message is longer than any may be");
			return;
		}
		if (size == 0)
			return;
		callbacks->message(channel->owner->user, channel, message, size);
	}
}

/* At most what one TLS record holds, so that the others get their turn. */
static void read_messages(struct tls_channel *channel)
{
	do {
		uint8_t *at;
		size_t room;
		int n;

		hand_over(channel);
		if (channel->state != TLS_OPEN || channel->paused)
			return;
		room = v2_framer_room(&channel->in, &at);
		ERR_clear_error();
		n = SSL_read(channel->ssl, at, (int)room);
		if (n <= 0) {
			must_wait(channel, n);
			return;
		}
		v2_framer_add(&channel->in, (size_t)n);
	} while (SSL_pending(channel->ssl) > 0);
	hand_over(channel);
}

static void write_out(struct tls_channel *channel)
{
	while (channel->out_size > 0) {
		int n;

		ERR_clear_error();
		n = SSL_write(channel->ssl, channel->out, (int)channel->out_size);
		if (n <= 0) {
			must_wait(channel, n);
			return;
		}
		channel->wants_write = false;
		channel->out_size -= (size_t)n;
		memmove(channel->out, channel->out + n, channel->out_size);
		channel->progress_ns = loop_now_ns(channel->owner->loop);
	}
}

static void tell_of_room(struct tls_channel *channel)
{
	const struct tls_callbacks *callbacks = channel->owner->callbacks;

	if (channel->state != TLS_OPEN || !channel->refused_room || channel->out_size > 0)
		return;
	channel->refused_room = false;
	if (callbacks->writable)
		callbacks->writable(channel->owner->user, channel);
}

/* ---- the end that the caller asked for ---- */

static void finish(struct tls_channel *channel)
{
	if (channel->out_size > 0)
		write_out(channel);
	if (channel->state != TLS_FLUSHING || channel->out_size > 0)
		return;
	/* Its own part of the end; whether it can be sent does not matter any more. */
	SSL_shutdown(channel->ssl);
	ERR_clear_error();
	begin_lingering(channel);
}

/* Whatever comes is thrown away until the peer ends too. */
static void linger(struct tls_channel *channel)
{
	char nothing[1024];
	ssize_t n = recv(channel->io.fd, nothing, sizeof(nothing), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		let_go(channel, TLS_CLOSED);
}

static void act(struct tls_channel *channel, uint32_t events)
{
	if (channel->state == TLS_CONNECTING && !connected(channel))
		return;
	if (channel->state == TLS_SHAKING) {
		shake(channel);
		return;
	}
	if (channel->state == TLS_LINGERING) {
		linger(channel);
		return;
	}
	if (channel->out_size > 0)
		write_out(channel);
	tell_of_room(channel);
	if (channel->state != TLS_OPEN)
		return;
	if (channel->paused && (events & (EPOLLHUP | EPOLLERR)))
		tls_channel_end(channel, TLS_BROKEN, "the peer went away");
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_messages(channel);
}

/* What calls back runs between these two: the channel is freed when the outermost leaves. */
static void enter(struct tls_channel *channel)
{
	channel->busy++;
}

static void leave(struct tls_channel *channel)
{
	/* Closed from a callback. */
	if (channel->state == TLS_FLUSHING && channel->busy == 1)
		finish(channel);
	set_events(channel);
	if (--channel->busy == 0 && channel->state == TLS_GONE)
		free_channel(channel);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
	struct tls_channel *channel = io->user;

	enter(channel);
	act(channel, events);
	leave(channel);
}

/* ---- for the caller ---- */

bool tls_channel_has_room(struct tls_channel *channel, size_t size)
{
	bool fits = size <= sizeof(channel->out) - channel->out_size;

	channel->refused_room |= !fits;
	return fits;
}

int tls_channel_send(struct tls_channel *channel, const uint8_t *message, size_t size)
{
	if (channel->state != TLS_OPEN)
		return -ENOTCONN;
	if (!tls_channel_has_room(channel, size))
		return -ENOBUFS;
	if (channel->out_size == 0)
		channel->progress_ns = loop_now_ns(channel->owner->loop);
	memcpy(channel->out + channel->out_size, message, size);
	channel->out_size += size;
	/* From the loop: what is sent in one round becomes one record. */
	set_events(channel);
	return 0;
}

void tls_channel_pause(struct tls_channel *channel, bool paused)
{
	if (channel->paused == paused || channel->state != TLS_OPEN)
		return;
	channel->paused = paused;
	enter(channel);
	/* OpenSSL or the framer may hold what the socket will not tell of again. */
	if (!paused && channel->busy == 1)
		read_messages(channel);
	leave(channel);
}

void tls_channel_close(struct tls_channel *channel)
{
	if (channel->state != TLS_OPEN)
		return;
	set_state(channel, TLS_FLUSHING);
	enter(channel);
	leave(channel);
}

const struct tls_peer *tls_channel_peer(const struct tls_channel *channel)
{
	return &channel->peer;
}

const struct tls_grant *tls_channel_grant(const struct tls_channel *channel)
{
	return &channel->grant;
}

void tls_channel_set_user(struct tls_channel *channel, void *user)
{
	channel->user = user;
}

void *tls_channel_user(const struct tls_channel *channel)
{
	return channel->user;
}

int tls_channel_export(struct tls_channel *channel, const char *label, const uint8_t *context,
	size_t context_size, uint8_t *ret_secret, size_t size)
{
	int r = SSL_export_keying_material(
		channel->ssl, ret_secret, size, label, strlen(label), context, context_size, 1);

	ERR_clear_error();
	return r == 1 ? 0 : -EIO;
}

/* ---- for the owner ---- */

void tls_channel_replace(struct tls_channel *channel, const char *why)
{
	const struct tls_callbacks *callbacks = channel->owner->callbacks;

	enter(channel);
	if (callbacks->replaced)
		callbacks->replaced(channel->owner->user, channel);
	if (channel->state == TLS_OPEN)
		tls_channel_end(channel, TLS_REPLACED, why);
	leave(channel);
}

/* True if it ended. */
static bool check(struct tls_channel *channel, uint64_t now_ns)
{
	const struct tls_owner *owner = channel->owner;
	uint64_t age_ns = now_ns - channel->since_ns;

	if (channel->state < TLS_OPEN && age_ns > owner->handshake_ns) {
		tls_channel_end(channel, TLS_TIMEOUT, "the handshake took too long");
		return true;
	}
	if (channel->state == TLS_OPEN && channel->out_size > 0 &&
		now_ns - channel->progress_ns > owner->stall_ns) {
		tls_channel_end(channel, TLS_STALLED, "the peer takes nothing any more");
		return true;
	}
	if (channel->state > TLS_OPEN && age_ns > TLS_LINGER_NS) {
		let_go(channel, TLS_CLOSED);
		return true;
	}
	set_events(channel);
	return false;
}

void tls_owner_tick(struct tls_owner *owner, uint64_t now_ns)
{
	struct tls_channel *channel = owner->channels;

	/* Callbacks may end others too: begin again after each. */
	while (channel)
		channel = check(channel, now_ns) ? owner->channels : channel->next;
}

void tls_owner_done(struct tls_owner *owner)
{
	while (owner->channels) {
		struct tls_channel *channel = owner->channels;

		owner->gone = NULL;
		let_go(channel, TLS_CLOSED);
	}
}
