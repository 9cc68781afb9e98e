// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "pki/credentials.h"
#include "tests/unit/faults.h"
#include "tests/unit/pki/mint.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static struct mint ca, other_ca, edge, lambda;

static int mint_all(void **state _unused_)
{
	mint_ca(&ca, "ca");
	mint_ca(&other_ca, "other");
	mint_issue(&ca, &(struct mint_order){.switch_id = 7, .name = "edge-7"}, &edge);
	mint_issue(&ca,
		&(struct mint_order){.kind = CERTIFICATE_SERVER, .host = "lambda.example.net"},
		&lambda);
	return 0;
}

static int free_all(void **state _unused_)
{
	mint_free(&ca);
	mint_free(&other_ca);
	mint_free(&edge);
	mint_free(&lambda);
	return 0;
}

static struct credentials *load(const struct credentials_files *files)
{
	_cleanup_free_ char *error = NULL;
	struct credentials *credentials = NULL;

	if (credentials_load(files, &credentials, &error) < 0)
		fail_msg("%s", error);
	return credentials;
}

static void load_fails(const struct credentials_files *files, int expected, const char *message)
{
	_cleanup_free_ char *error = NULL;
	struct credentials *credentials = NULL;

	assert_int_equal(credentials_load(files, &credentials, &error), expected);
	assert_null(credentials);
	if (!error || !strstr(error, message))
		fail_msg("expected \"%s\", found \"%s\"", message, error ? error : "");
}

static void one_file_has_all(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "edge.pem"};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;

	mint_write("edge.pem", edge.key, edge.certificate, ca.certificate);
	credentials = load(&files);
	assert_int_equal(X509_cmp(credentials->certificate, edge.certificate), 0);
	assert_int_equal(sk_X509_num(credentials->anchors), 1);
	assert_int_equal(sk_X509_num(credentials->between), 0);
	assert_null(credentials->crls);
	assert_null(credentials->server);
}

static void order_in_the_file_does_not_matter(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "edge.pem"};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;

	/* another's certificate, the CA, the own one: as cat(1) may have it */
	mint_write("1", NULL, lambda.certificate, ca.certificate);
	mint_write("2", edge.key, edge.certificate, NULL);
	assert_int_equal(system("cat 1 2 > edge.pem && chmod 600 edge.pem"), 0);
	credentials = load(&files);
	assert_int_equal(X509_cmp(credentials->certificate, edge.certificate), 0);
	assert_int_equal(sk_X509_num(credentials->between), 1);
}

static void parts_may_be_apart(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "edge.crt",
		.key = "edge.key",
		.anchors = "ca.pem",
		.crl = "crl.pem"};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;

	mint_write("edge.crt", NULL, edge.certificate, other_ca.certificate);
	mint_write("edge.key", edge.key, NULL, NULL);
	mint_write("ca.pem", NULL, ca.certificate, NULL);
	mint_write_crl("crl.pem", &ca, NULL, 3600);
	credentials = load(&files);
	/* Only what the file of anchors holds is believed. */
	assert_int_equal(sk_X509_num(credentials->anchors), 1);
	assert_int_equal(X509_cmp(sk_X509_value(credentials->anchors, 0), ca.certificate), 0);
	assert_int_equal(sk_X509_CRL_num(credentials->crls), 1);
}

static void what_does_not_fit_is_said(void **state _unused_)
{
	const struct credentials_files one = {.credentials = "c.pem"};
	const struct credentials_files with_crl = {.credentials = "c.pem", .crl = "crl.pem"};

	load_fails(&one, -ENOENT, "cannot read c.pem: No such file");
	mint_write("c.pem", NULL, edge.certificate, ca.certificate);
	load_fails(&one, -ENOENT, "c.pem holds no private key");
	mint_write("c.pem", lambda.key, edge.certificate, ca.certificate);
	load_fails(&one, -EBADMSG, "c.pem holds no certificate that fits the private key");
	mint_write("c.pem", edge.key, edge.certificate, NULL);
	load_fails(&one, -ENOENT, "c.pem holds no CA's certificate");
	mint_write("c.pem", edge.key, edge.certificate, other_ca.certificate);
	load_fails(&one, -EBADMSG, "does not lead to a CA that is believed");
	mint_write("c.pem", edge.key, edge.certificate, ca.certificate);
	load_fails(&with_crl, -ENOENT, "cannot read crl.pem");
	mint_write("crl.pem", NULL, ca.certificate, NULL);
	load_fails(&with_crl, -ENOENT, "crl.pem holds no revocation list");
	assert_int_equal(chmod("c.pem", 0604), 0);
	load_fails(&one, -EPERM, "everybody may read it");
}

static void file_cut_or_changed_anywhere_is_refused_or_harmless(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem"};
	_cleanup_free_ uint8_t *good = NULL;
	unsigned int refused = 0;
	size_t size;

	mint_write("c.pem", edge.key, edge.certificate, ca.certificate);
	assert_int_equal(file_read("c.pem", 10000, &good, &size), 0);
	for (size_t at = 0; at < size; at += 7) {
		struct credentials *credentials = NULL;
		_cleanup_free_ char *error = NULL;
		uint8_t before = good[at];

		assert_int_equal(file_write("c.pem", good, at, 0600, true), 0);
		assert_true(credentials_load(&files, &credentials, &error) < 0);
		good[at] ^= 4;
		assert_int_equal(file_write("c.pem", good, size, 0600, true), 0);
		free(TAKE_PTR(error));
		if (credentials_load(&files, &credentials, &error) == 0)
			credentials_free(credentials);
		else
			refused++;
		good[at] = before;
	}
	assert_true(refused > size / 7 / 2);
}

static void write_credentials(const char *path, const struct credentials *credentials)
{
	_cleanup_(BIO_free_allp) BIO *out = BIO_new(BIO_s_mem());
	_cleanup_free_ char *error = NULL;
	char *text;
	long size;

	assert_int_equal(credentials_write(out, credentials, "for people", &error), 0);
	size = BIO_get_mem_data(out, &text);
	assert_int_equal(file_write(path, text, (size_t)size, 0600, true), 0);
}

static void what_is_written_is_loaded_again(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem"};
	_cleanup_(credentials_freep) struct credentials *first = NULL, *again = NULL;

	mint_write("c.pem", edge.key, edge.certificate, ca.certificate);
	first = load(&files);
	first->server = strdup("[2001:db8::1]:9000");
	write_credentials("c.pem", first);
	again = load(&files);
	assert_int_equal(X509_cmp(again->certificate, first->certificate), 0);
	assert_int_equal(EVP_PKEY_eq(again->key, first->key), 1);
	assert_string_equal(again->server, "[2001:db8::1]:9000");
}

static const struct credentials *give_old(void *user, X509 *certificate _unused_)
{
	return user;
}

static void renewed_certificate_joins_the_key_that_is_there(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem"};
	_cleanup_(credentials_freep) struct credentials *old = NULL, *joined = NULL;
	_cleanup_free_ char *error = NULL, *why = NULL;
	struct mint renewed;

	mint_write("c.pem", edge.key, edge.certificate, ca.certificate);
	old = load(&files);
	old->server = strdup("lambda.example.net:9000");
	mint_issue(&ca, &(struct mint_order){.switch_id = 7, .key = edge.key}, &renewed);
	mint_write("renewed.pem", NULL, renewed.certificate, ca.certificate);
	assert_int_equal(credentials_merge("renewed.pem", give_old, old, &joined, &error), 0);
	assert_int_equal(X509_cmp(joined->certificate, renewed.certificate), 0);
	assert_string_equal(joined->server, "lambda.example.net:9000");
	mint_free(&renewed);
	/* For another key it is refused. */
	mint_write("renewed.pem", NULL, lambda.certificate, ca.certificate);
	credentials_free(TAKE_PTR(joined));
	assert_int_equal(credentials_merge("renewed.pem", give_old, old, &joined, &why), -EBADMSG);
}

/* X509_V_OK, or why a peer with this certificate is not believed. */
static int verify(const struct credentials_files *files, X509 *certificate)
{
	_cleanup_(credentials_freep) struct credentials *credentials = load(files);
	X509_STORE *store = credentials_store(credentials);
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int error;

	assert_int_equal(X509_STORE_CTX_init(context, store, certificate, NULL), 1);
	X509_verify_cert(context);
	error = X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return error;
}

static void peers_are_verified_with_dates_and_lists(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem", .crl = "crl.pem"};
	struct mint expired, future;

	mint_issue(&ca, &(struct mint_order){.switch_id = 8, .from_s = -100, .until_s = -10},
		&expired);
	mint_issue(
		&ca, &(struct mint_order){.switch_id = 8, .from_s = 100, .until_s = 200}, &future);
	mint_write("c.pem", lambda.key, lambda.certificate, ca.certificate);
	mint_write_crl("crl.pem", &ca, NULL, 3600);
	assert_int_equal(verify(&files, edge.certificate), X509_V_OK);
	assert_int_equal(verify(&files, expired.certificate), X509_V_ERR_CERT_HAS_EXPIRED);
	assert_int_equal(verify(&files, future.certificate), X509_V_ERR_CERT_NOT_YET_VALID);
	mint_write_crl("crl.pem", &ca, edge.certificate, 3600);
	assert_int_equal(verify(&files, edge.certificate), X509_V_ERR_CERT_REVOKED);
	assert_int_equal(verify(&files, lambda.certificate), X509_V_OK);
	/* Of another CA, the list says nothing of ours. */
	mint_write_crl("crl.pem", &other_ca, NULL, 3600);
	assert_int_equal(verify(&files, edge.certificate), X509_V_ERR_UNABLE_TO_GET_CRL);
	mint_free(&expired);
	mint_free(&future);
}

static void old_list_still_counts(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem", .crl = "crl.pem"};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;

	mint_write("c.pem", lambda.key, lambda.certificate, ca.certificate);
	mint_write_crl("crl.pem", &ca, edge.certificate, -3600);
	assert_int_equal(verify(&files, edge.certificate), X509_V_ERR_CERT_REVOKED);
	assert_int_equal(verify(&files, lambda.certificate), X509_V_OK);
	credentials = load(&files);
	assert_true(credentials_crl_until(credentials) < time(NULL));
}

static void failure_while_loading_is_told(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem", .crl = "crl.pem"};
	unsigned int failures = 0;

	mint_write("c.pem", edge.key, edge.certificate, ca.certificate);
	mint_write_crl("crl.pem", &ca, edge.certificate, 3600);
	faults_begin();
	while (faults_more()) {
		struct credentials *credentials = NULL;
		_cleanup_free_ char *error = NULL;
		int r;

		faults_arm();
		r = credentials_load(&files, &credentials, &error);
		faults_disarm();
		if (r < 0) {
			failures++;
			assert_null(credentials);
			continue;
		}
		/* What was loaded in spite of a failure is whole. */
		assert_int_equal(sk_X509_num(credentials->anchors), 1);
		assert_int_equal(sk_X509_CRL_num(credentials->crls), 1);
		credentials_free(credentials);
	}
	assert_true(failures > 100);
}

static void store_is_whole_or_none(void **state _unused_)
{
	const struct credentials_files files = {.credentials = "c.pem", .crl = "crl.pem"};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;

	mint_write("c.pem", edge.key, edge.certificate, ca.certificate);
	mint_write_crl("crl.pem", &ca, edge.certificate, 3600);
	credentials = load(&files);
	faults_begin();
	while (faults_more()) {
		X509_STORE *store;

		faults_arm();
		store = credentials_store(credentials);
		faults_disarm();
		if (store)
			assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), 2);
		X509_STORE_free(store);
	}
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void credentials_are_where_systemd_puts_them(void **state _unused_)
{
	/* On a machine that has some, and which root tests, they are seen where they are. */
	const char *passed =
		access(CREDENTIALS_SERVER, R_OK) == 0 ? CREDENTIALS_SERVER : "./server.pem";
	char path[CREDENTIALS_PATH_MAX];

	unsetenv("CREDENTIALS_DIRECTORY");
	credentials_find(CERTIFICATE_SWITCH, path);
	assert_string_equal(path, CREDENTIALS_SWITCH);
	setenv("CREDENTIALS_DIRECTORY", ".", 1);
	credentials_find(CERTIFICATE_SERVER, path);
	assert_string_equal(path, CREDENTIALS_SERVER);
	write_text("server.pem", "none");
	credentials_find(CERTIFICATE_SERVER, path);
	assert_string_equal(path, CREDENTIALS_SERVER);
	write_text("server.pem", "-----BEGIN");
	credentials_find(CERTIFICATE_SERVER, path);
	assert_string_equal(path, passed);
	/* A link that leads to itself is there, and nobody can read it; root could read any file. */
	assert_int_equal(unlink("server.pem"), 0);
	assert_int_equal(symlink("server.pem", "server.pem"), 0);
	credentials_find(CERTIFICATE_SERVER, path);
	assert_string_equal(path, passed);
	unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(one_file_has_all),
		IN_SCRATCH(order_in_the_file_does_not_matter),
		IN_SCRATCH(parts_may_be_apart),
		IN_SCRATCH(what_does_not_fit_is_said),
		IN_SCRATCH(file_cut_or_changed_anywhere_is_refused_or_harmless),
		IN_SCRATCH(what_is_written_is_loaded_again),
		IN_SCRATCH(renewed_certificate_joins_the_key_that_is_there),
		IN_SCRATCH(peers_are_verified_with_dates_and_lists),
		IN_SCRATCH(old_list_still_counts),
		IN_SCRATCH(failure_while_loading_is_told),
		IN_SCRATCH(store_is_whole_or_none),
		IN_SCRATCH(credentials_are_where_systemd_puts_them),
	};

	faults_init();
	return cmocka_run_group_tests(tests, mint_all, free_all);
}
