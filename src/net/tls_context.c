// SPDX-License-Identifier: BSD-2-Clause
#include "net/tls_context.h"

#include "base/clock.h"
#include "base/error.h"
#include "pki/certificate.h"
#include "pki/crypto.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES          4
#define CERT_LIST_MAX  (32 << 10) /* bytes of certificates a peer may send */
#define VERIFY_DEPTH   5
#define SECURITY_LEVEL 2 /* 112 bits: RSA 2048, no SHA-1 */
#define CIPHERSUITES   "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS         "X25519:P-256:P-384"

/* ALPN's own form: a length and the name. */
static const unsigned char alpn[] = "\x0b" TLS_ALPN;
#define ALPN_BYTES (sizeof(alpn) - 1)

/* What tells that a file is another one. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct tls_context {
	struct tls_context_options options;
	char *paths[FILES]; /* credentials, key, anchors, crl; NULL where there is none */
	struct stamp stamps[FILES];
	struct loop *loop;
	struct loop_timer timer;
	struct credentials *credentials;
	X509_STORE *store;
	SSL_CTX *ssl;
	unsigned int version; /* counts what took force */
	char *error;          /* why the newest files are not in force; NULL: they are */
	struct tls_grant *grants;
};

const char *tls_end_name(enum tls_end end)
{
	static const char *const names[TLS_ENDS] = {
		[TLS_END_NONE] = "none",
		[TLS_BY_PEER] = "by-peer",
		[TLS_BROKEN] = "broken",
		[TLS_TIMEOUT] = "timeout",
		[TLS_NOT_TLS] = "not-tls",
		[TLS_UNTRUSTED] = "untrusted",
		[TLS_REFUSED] = "refused",
		[TLS_UNKNOWN_SWITCH] = "unknown-switch",
		[TLS_BAD_MESSAGE] = "bad-message",
		[TLS_STALLED] = "stalled",
		[TLS_EXPIRED] = "expired",
		[TLS_REVOKED] = "revoked",
		[TLS_REPLACED] = "replaced",
		[TLS_CROWDED] = "crowded",
		[TLS_CLOSED] = "closed",
		[TLS_NO_MEMORY] = "no-memory",
	};

	return end < TLS_ENDS ? names[end] : "unknown";
}

/* ---- OpenSSL's context ---- */

/* A client that offers nothing of ours is told so; one that offers nothing at all is found later. */
static int select_alpn(SSL *ssl _unused_, const unsigned char **out, unsigned char *out_size,
	const unsigned char *in, unsigned int in_size, void *user _unused_)
{
	unsigned char *found;

	if (SSL_select_next_proto(&found, out_size, alpn, ALPN_BYTES, in, in_size) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_protocol(SSL_CTX *ssl, enum tls_role role)
{
	SSL_CTX_set_options(
		ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
	if (role == TLS_SERVER)
		SSL_CTX_set_alpn_select_cb(ssl, select_alpn, NULL);
	else if (SSL_CTX_set_alpn_protos(ssl, alpn, ALPN_BYTES) != 0)
		return false;
	return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ssl, 0) == 1 && SSL_CTX_set_max_early_data(ssl, 0) == 1 &&
	       SSL_CTX_set_ciphersuites(ssl, CIPHERSUITES) == 1 &&
	       SSL_CTX_set1_groups_list(ssl, GROUPS) == 1;
}

static bool set_credentials(SSL_CTX *ssl, const struct credentials *credentials, X509_STORE *store)
{
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ssl, VERIFY_DEPTH);
	SSL_CTX_set_max_cert_list(ssl, CERT_LIST_MAX);
	SSL_CTX_set1_cert_store(ssl, store);
	return SSL_CTX_use_certificate(ssl, credentials->certificate) == 1 &&
	       SSL_CTX_use_PrivateKey(ssl, credentials->key) == 1 &&
	       SSL_CTX_set1_chain(ssl, credentials->between) == 1;
}

static void log_key(const SSL *ssl, const char *line)
{
	key_log_line(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)), line);
}

static SSL_CTX *new_ssl(const struct tls_context_options *options,
	const struct credentials *credentials, X509_STORE *store)
{
	SSL_CTX *ssl = SSL_CTX_new(
		options->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());

	if (!ssl)
		return NULL;
	if (options->key_log) {
		SSL_CTX_set_app_data(ssl, options->key_log);
		SSL_CTX_set_keylog_callback(ssl, log_key);
	}
	if (set_protocol(ssl, options->role) && set_credentials(ssl, credentials, store))
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

SSL *tls_context_ssl(struct tls_context *context)
{
	SSL *ssl = SSL_new(context->ssl);

	ERR_clear_error();
	return ssl;
}

/* ---- files ---- */

static bool stamps_equal(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* A file that is not there has a stamp of zeros. */
static void take_stamps(const struct tls_context *context, struct stamp stamps[static FILES])
{
	for (int i = 0; i < FILES; i++) {
		struct stat st;

		stamps[i] = (struct stamp){0};
		if (context->paths[i] && stat(context->paths[i], &st) == 0)
			stamps[i] = (struct stamp){
				st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
	}
}

static bool have_changed(const struct tls_context *context, const struct stamp *stamps)
{
	for (int i = 0; i < FILES; i++)
		if (!stamps_equal(&context->stamps[i], &stamps[i]))
			return true;
	return false;
}

/* Reads all files and puts them into force. */
static int load(struct tls_context *context, char **ret_error)
{
	const struct credentials_files files = {
		context->paths[0], context->paths[1], context->paths[2], context->paths[3]};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;
	X509_STORE *store;
	SSL_CTX *ssl;
	int r = credentials_load(&files, &credentials, ret_error);

	if (r < 0)
		return r;
	store = credentials_store(credentials);
	ssl = store ? new_ssl(&context->options, credentials, store) : NULL;
	if (!ssl) {
		X509_STORE_free(store);
		return crypto_error(ret_error, -EBADMSG, "%s: TLS does not take the certificate",
			files.credentials);
	}
	if (context->credentials)
		credentials_free(context->credentials);
	X509_STORE_free(context->store);
	SSL_CTX_free(context->ssl);
	context->credentials = TAKE_PTR(credentials);
	context->store = store;
	context->ssl = ssl;
	context->version++;
	return 0;
}

/* Tells of an error once, until there is another or none. */
static void report(struct tls_context *context, const char *error)
{
	bool told = context->error && error && strcmp(context->error, error) == 0;

	if (told)
		return;
	free(context->error);
	context->error = error ? strdup(error) : NULL;
	if (context->options.reloaded)
		context->options.reloaded(context->options.user, error);
}

int tls_context_check(struct tls_context *context, char **ret_error)
{
	_cleanup_free_ char *error = NULL;
	struct stamp stamps[FILES];
	int r;

	take_stamps(context, stamps);
	if (!have_changed(context, stamps))
		return 0;
	r = load(context, &error);
	if (r < 0) {
		report(context, error ? error : strerror(-r));
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	}
	memcpy(context->stamps, stamps, sizeof(stamps));
	report(context, NULL);
	/* Who is not believed any more ends from the loop, not from here. */
	loop_arm_timer(context->loop, &context->timer, loop_now_ns(context->loop));
	return 1;
}

/* ---- grants ---- */

static int64_t now_s(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_SEC);
}

static enum tls_end end_of_error(int error)
{
	switch (error) {
	case X509_V_OK:
		return TLS_END_NONE;
	case X509_V_ERR_CERT_REVOKED:
		return TLS_REVOKED;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return TLS_EXPIRED;
	default:
		return TLS_UNTRUSTED;
	}
}

static int64_t chain_until(const STACK_OF(X509) * chain)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		int64_t from, until;

		certificate_validity(sk_X509_value(chain, i), &from, &until);
		least = MIN(least, until);
	}
	return least;
}

/* By the files in force now. TLS_NO_MEMORY says nothing of the peer. */
static enum tls_end verify_once(const struct tls_context *context, struct tls_grant *grant)
{
	const char *role = context->options.role == TLS_SERVER ? "ssl_client" : "ssl_server";
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	enum tls_end end = TLS_NO_MEMORY;
	int error;

	if (check &&
		X509_STORE_CTX_init(check, context->store, grant->certificate, grant->chain) == 1 &&
		X509_STORE_CTX_set_default(check, role) == 1) {
		X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(check), VERIFY_DEPTH);
		X509_verify_cert(check);
		error = X509_STORE_CTX_get_error(check);
		end = error == X509_V_ERR_OUT_OF_MEM ? TLS_NO_MEMORY : end_of_error(error);
		if (end == TLS_END_NONE)
			grant->until_s = chain_until(X509_STORE_CTX_get0_chain(check));
	}
	ERR_clear_error();
	X509_STORE_CTX_free(check);
	return end;
}

/* A verdict against a peer is asked for twice: OpenSSL may take a want of memory for one. */
static enum tls_end verify(const struct tls_context *context, struct tls_grant *grant)
{
	enum tls_end end = verify_once(context, grant);

	return end == TLS_END_NONE ? end : verify_once(context, grant);
}

static int begin(struct tls_grant *grant, struct tls_context *context, X509 *certificate,
	const STACK_OF(X509) * chain)
{
	enum tls_end end = TLS_NO_MEMORY;

	X509_up_ref(certificate);
	grant->certificate = certificate;
	/* What came beside it; the server's end has it without the certificate itself. */
	grant->chain = chain ? X509_chain_up_ref((STACK_OF(X509) *)chain) : sk_X509_new_null();
	if (grant->chain)
		end = verify(context, grant);
	if (end != TLS_END_NONE) {
		tls_grant_end(grant);
		return end == TLS_NO_MEMORY ? -ENOMEM : -EKEYREJECTED;
	}
	grant->context = context;
	grant->verified = context->version;
	grant->next = context->grants;
	grant->link = &context->grants;
	if (grant->next)
		grant->next->link = &grant->next;
	context->grants = grant;
	return 0;
}

int tls_grant_begin(struct tls_grant *grant, struct tls_context *context, const SSL *ssl)
{
	return begin(grant, context, SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl));
}

int tls_grant_copy(struct tls_grant *grant, const struct tls_grant *from)
{
	return begin(grant, from->context, from->certificate, from->chain);
}

void tls_grant_end(struct tls_grant *grant)
{
	if (grant->context) {
		*grant->link = grant->next;
		if (grant->next)
			grant->next->link = grant->link;
	}
	X509_free(grant->certificate);
	sk_X509_pop_free(grant->chain, X509_free);
	grant->certificate = NULL;
	grant->chain = NULL;
	grant->context = NULL;
}

/* Why a grant ends now; TLS_END_NONE if it goes on. */
static enum tls_end check_grant(struct tls_context *context, struct tls_grant *grant)
{
	enum tls_end end = TLS_END_NONE;

	if (grant->verified != context->version) {
		end = verify(context, grant);
		/* Looked at again at the next check. */
		if (end == TLS_NO_MEMORY)
			return TLS_END_NONE;
		grant->verified = context->version;
	}
	return end == TLS_END_NONE && grant->until_s <= now_s() ? TLS_EXPIRED : end;
}

static void check_grants(struct tls_context *context)
{
	struct tls_grant *grant = context->grants;

	while (grant) {
		enum tls_end end = check_grant(context, grant);

		if (end == TLS_END_NONE) {
			grant = grant->next;
			continue;
		}
		/* Whoever hears of it may end other grants too: begin again. */
		tls_grant_end(grant);
		grant->ended(grant, end);
		grant = context->grants;
	}
}

/* ---- life ---- */

static void on_timer(struct loop_timer *timer, uint64_t now_ns)
{
	struct tls_context *context = timer->user;
	char *error = NULL;

	if (tls_context_check(context, &error) < 0)
		free(error); /* it was reported */
	check_grants(context);
	/* Also where the files asked for a round at once: this is it. */
	loop_arm_timer(context->loop, timer, now_ns + context->options.check_ns);
}

static int copy_paths(struct tls_context *context, const struct credentials_files *files)
{
	const char *const paths[FILES] = {
		files->credentials, files->key, files->anchors, files->crl};

	for (int i = 0; i < FILES; i++) {
		context->paths[i] = paths[i] ? strdup(paths[i]) : NULL;
		if (paths[i] && !context->paths[i])
			return -ENOMEM;
	}
	return 0;
}

int tls_context_new(struct loop *loop, const struct tls_context_options *options,
	struct tls_context **ret_context, char **ret_error)
{
	_cleanup_(tls_context_freep) struct tls_context *context = calloc(1, sizeof(*context));
	int r;

	if (!context)
		return -ENOMEM;
	context->options = *options;
	context->loop = loop;
	if (context->options.check_ns == 0)
		context->options.check_ns = TLS_CHECK_NS;
	context->timer = (struct loop_timer){.fn = on_timer, .user = context};
	r = copy_paths(context, &options->files);
	if (r < 0)
		return r;
	take_stamps(context, context->stamps);
	r = load(context, ret_error);
	if (r < 0)
		return r;
	loop_arm_timer(loop, &context->timer, loop_now_ns(loop) + context->options.check_ns);
	*ret_context = TAKE_PTR(context);
	return 0;
}

void tls_context_free(struct tls_context *context)
{
	loop_disarm_timer(&context->timer);
	for (int i = 0; i < FILES; i++)
		free(context->paths[i]);
	if (context->credentials)
		credentials_free(context->credentials);
	X509_STORE_free(context->store);
	SSL_CTX_free(context->ssl);
	free(context->error);
	free(context);
}

const struct credentials *tls_context_credentials(const struct tls_context *context)
{
	return context->credentials;
}
