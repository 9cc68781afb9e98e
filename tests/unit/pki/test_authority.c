// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "pki/authority.h"
#include "pki/crypto.h"
#include "pki/key.h"
#include "pki/pem.h"
#include "tests/unit/faults.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define DAY AUTHORITY_DAY_S

static const struct authority_options plain = {
	.name = "test-ca", .lifetime_s = 3650 * DAY, .crl_lifetime_s = 365 * DAY};
static const struct certificate_subject edge = {.switch_id = 7, .name = "edge-7"};

static int64_t now_s(void)
{
	return time(NULL);
}

static struct authority *open_unlocked(enum authority_use use)
{
	_cleanup_free_ char *error = NULL;
	struct authority *authority = NULL;

	if (authority_open("ca", use, &authority, &error) < 0)
		fail_msg("%s", error);
	if (use == AUTHORITY_CHANGE && authority_unlock(authority, NULL, NULL, &error) < 0)
		fail_msg("%s", error);
	return authority;
}

static struct authority *make_and_open(void)
{
	_cleanup_free_ char *error = NULL;

	if (authority_create("ca", &plain, now_s(), &error) < 0)
		fail_msg("%s", error);
	return open_unlocked(AUTHORITY_CHANGE);
}

static int try_issue(struct authority *authority, EVP_PKEY *key, int64_t now, int64_t lifetime_s,
	X509 **ret_certificate)
{
	_cleanup_free_ char *error = NULL;
	const struct authority_request request = {
		.subject = edge, .public_key = key, .now = now, .lifetime_s = lifetime_s};
	int r = authority_issue(authority, &request, ret_certificate, &error);

	assert_true(r == 0 || r == -ENOMEM || error);
	return r;
}

static X509 *issue(struct authority *authority)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = NULL;

	assert_int_equal(try_issue(authority, key, now_s(), 365 * DAY, &certificate), 0);
	return certificate;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void new_ca_has_its_files_and_only_the_key_is_secret(void **state _unused_)
{
	authority_close(make_and_open());
	assert_int_equal(mode_of("ca/ca.key"), 0600);
	assert_int_equal(mode_of("ca/ca.pem"), 0644);
	assert_int_equal(mode_of("ca/index"), 0644);
	assert_int_equal(mode_of("ca/crl.pem"), 0644);
	assert_int_equal(mode_of("ca/issued"), 0755);
	assert_int_equal(mode_of("ca"), 0755);
}

static void ca_is_never_made_over_another(void **state _unused_)
{
	_cleanup_free_ char *error = NULL, *again = NULL;
	_cleanup_free_ uint8_t *before = NULL, *after = NULL;
	size_t before_size, after_size;

	authority_close(make_and_open());
	assert_int_equal(file_read("ca/ca.key", 10000, &before, &before_size), 0);
	assert_int_equal(authority_create("ca", &plain, now_s(), &error), -EEXIST);
	assert_int_equal(file_read("ca/ca.key", 10000, &after, &after_size), 0);
	assert_string_equal((char *)before, (char *)after);
	assert_int_equal(mkdir("empty", 0700), 0);
	assert_int_equal(authority_create("empty", &plain, now_s(), &again), 0);
	assert_int_equal(file_write("file", "", 0, 0600, false), 0);
	assert_int_equal(authority_create("file", &plain, now_s(), &again), -EEXIST);
}

static void serials_are_random_and_128_bits(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = make_and_open();
	char serials[8][CERTIFICATE_SERIAL_MAX];

	for (size_t i = 0; i < 8; i++) {
		_cleanup_(X509_freep) X509 *certificate = issue(authority);

		certificate_serial(certificate, serials[i]);
		assert_int_equal(strlen(serials[i]), 32);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(serials[i], serials[j], 8);
	}
}

static void certificate_is_kept_and_entered_before_it_is_given(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = make_and_open(), *reader;
	_cleanup_(X509_freep) X509 *certificate = issue(authority), *kept = NULL;
	_cleanup_free_ char *error = NULL;
	char serial[CERTIFICATE_SERIAL_MAX];

	reader = open_unlocked(AUTHORITY_READ);
	certificate_serial(certificate, serial);
	assert_int_equal(authority_index(reader)->count, 1);
	assert_string_equal(authority_index(reader)->entries[0].serial, serial);
	assert_string_equal(authority_index(reader)->entries[0].name, "edge-7");
	assert_int_equal(authority_read_certificate(reader, serial, &kept, &error), 0);
	assert_int_equal(X509_cmp(kept, certificate), 0);
}

static void certificate_ends_with_its_ca_at_the_latest(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = make_and_open();
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	_cleanup_(X509_freep) X509 *certificate = NULL, *none = NULL;
	int64_t from, until, ca_from, ca_until;

	assert_int_equal(try_issue(authority, key, now_s(), 9999 * DAY, &certificate), 0);
	certificate_validity(certificate, &from, &until);
	certificate_validity(authority_certificate(authority), &ca_from, &ca_until);
	assert_int_equal(until, ca_until);
	assert_in_range(now_s() - from, AUTHORITY_BACKDATE_S - 60, AUTHORITY_BACKDATE_S + 60);
	assert_int_equal(try_issue(authority, key, ca_until + 1, DAY, &none), -EKEYEXPIRED);
}

static void weak_key_gets_no_certificate(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = make_and_open();
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *weak = EVP_RSA_gen(1024), *good = EVP_RSA_gen(2048);
	_cleanup_(X509_freep) X509 *certificate = NULL;

	assert_int_equal(try_issue(authority, weak, now_s(), DAY, &certificate), -EKEYREJECTED);
	assert_int_equal(authority_index(authority)->count, 0);
	assert_int_equal(try_issue(authority, good, now_s(), DAY, &certificate), 0);
}

static X509_CRL *read_crl(void)
{
	_cleanup_(pem_contents_done) struct pem_contents contents = {0};
	_cleanup_free_ char *error = NULL;

	assert_int_equal(pem_read("ca/crl.pem", PEM_CRL_MAX, &contents, &error), 0);
	assert_int_equal(sk_X509_CRL_num(contents.crls), 1);
	return sk_X509_CRL_shift(contents.crls);
}

static void revoked_certificate_is_in_the_signed_list(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = make_and_open();
	_cleanup_(X509_freep) X509 *bad = issue(authority), *good = issue(authority);
	_cleanup_(X509_CRL_freep) X509_CRL *empty = read_crl(), *crl = NULL;
	_cleanup_free_ char *error = NULL;
	X509_REVOKED *entry;

	assert_int_equal(X509_CRL_get0_by_cert(empty, &entry, bad), 0);
	assert_int_equal(
		authority_revoke(authority, 0, REVOCATION_KEY_COMPROMISE, now_s(), &error), 0);
	assert_int_equal(authority_write_crl(authority, now_s(), DAY, &error), 0);
	crl = read_crl();
	assert_int_equal(
		X509_CRL_verify(crl, X509_get0_pubkey(authority_certificate(authority))), 1);
	assert_int_equal(X509_CRL_get0_by_cert(crl, &entry, bad), 1);
	assert_int_equal(X509_CRL_get0_by_cert(crl, &entry, good), 0);
}

static void key_with_a_passphrase_opens_with_it_only(void **state _unused_)
{
	struct authority_options options = plain;
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_free_ char *error = NULL, *wrong = NULL, *none = NULL;
	_cleanup_free_ uint8_t *key = NULL;
	size_t size;

	options.passphrase = "open sesame";
	assert_int_equal(authority_create("ca", &options, now_s(), &error), 0);
	assert_int_equal(file_read("ca/ca.key", 10000, &key, &size), 0);
	assert_non_null(strstr((char *)key, "BEGIN ENCRYPTED PRIVATE KEY"));
	assert_int_equal(authority_open("ca", AUTHORITY_CHANGE, &authority, &error), 0);
	assert_int_equal(authority_unlock(authority, NULL, NULL, &none), -EKEYREJECTED);
	assert_non_null(strstr(none, "nobody is here to ask"));
	/* Without a callback of ours, OpenSSL's takes the user argument as the passphrase. */
	assert_int_equal(
		authority_unlock(authority, PEM_def_callback, (void *)"x", &wrong), -EKEYREJECTED);
	assert_non_null(strstr(wrong, "wrong passphrase"));
	assert_int_equal(
		authority_unlock(authority, PEM_def_callback, (void *)options.passphrase, &error),
		0);
}

static void damage_of_a_file_is_named(void **state _unused_)
{
	static const struct {
		const char *file, *text, *message;
		int error;
	} cases[] = {
		{"ca/ca.pem", "", "ca/ca.pem holds no certificate", -EBADMSG},
		{"ca/ca.pem", "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n",
			"ca/ca.pem: block 1 is damaged", -EBADMSG},
		{"ca/index", "hello\n", "ca/index:1: expected", -EBADMSG},
		{"ca/ca.key", "hello\n", "ca/ca.key: there is no private key", -ENOENT},
		{"ca/ca.key", "-----BEGIN PRIVATE KEY-----\nxxxx\n-----END PRIVATE KEY-----\n",
			"ca/ca.key: the private key is damaged", -EBADMSG},
	};

	authority_close(make_and_open());
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(authority_closep) struct authority *authority = NULL;
		_cleanup_free_ char *error = NULL;
		_cleanup_free_ uint8_t *good = NULL;
		size_t size;
		int r;

		assert_int_equal(file_read(cases[i].file, 10000, &good, &size), 0);
		assert_int_equal(
			file_write(cases[i].file, cases[i].text, strlen(cases[i].text), 0600, true),
			0);
		r = authority_open("ca", AUTHORITY_CHANGE, &authority, &error);
		if (r == 0)
			r = authority_unlock(authority, NULL, NULL, &error);
		assert_int_equal(r, cases[i].error);
		if (!strstr(error, cases[i].message))
			fail_msg("expected \"%s\", found \"%s\"", cases[i].message, error);
		assert_int_equal(file_write(cases[i].file, good, size, 0600, true), 0);
	}
}

static void key_of_another_ca_is_noticed(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_free_ char *error = NULL;

	authority_close(make_and_open());
	assert_int_equal(authority_create("other", &plain, now_s(), &error), 0);
	assert_int_equal(rename("other/ca.key", "ca/ca.key"), 0);
	assert_int_equal(authority_open("ca", AUTHORITY_CHANGE, &authority, &error), 0);
	assert_int_equal(authority_unlock(authority, NULL, NULL, &error), -EBADMSG);
	assert_non_null(strstr(error, "not the key of the certificate"));
}

static void key_that_everybody_may_read_is_refused(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_free_ char *error = NULL;

	authority_close(make_and_open());
	assert_int_equal(chmod("ca/ca.key", 0644), 0);
	assert_int_equal(authority_open("ca", AUTHORITY_CHANGE, &authority, &error), 0);
	assert_int_equal(authority_unlock(authority, NULL, NULL, &error), -EPERM);
	assert_non_null(strstr(error, "everybody may read it"));
}

/* Several processes at once: none of the entries is lost. */
static void changes_wait_for_each_other(void **state _unused_)
{
	enum { PROCESSES = 4, EACH = 5 };
	_cleanup_(authority_closep) struct authority *reader = NULL;

	authority_close(make_and_open());
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() != 0)
			continue;
		for (int j = 0; j < EACH; j++) {
			struct authority *authority = open_unlocked(AUTHORITY_CHANGE);

			X509_free(issue(authority));
			authority_close(authority);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	reader = open_unlocked(AUTHORITY_READ);
	assert_int_equal(authority_index(reader)->count, PROCESSES * EACH);
}

static void ca_is_made_as_a_whole_or_not_at_all(void **state _unused_)
{
	unsigned int failures = 0;

	faults_begin();
	while (faults_more()) {
		_cleanup_free_ char *error = NULL;
		int r;

		faults_arm();
		r = authority_create("ca", &plain, now_s(), &error);
		faults_disarm();
		if (r < 0) {
			failures++;
			assert_int_equal(scratch_entries("."), 0);
			continue;
		}
		authority_close(open_unlocked(AUTHORITY_CHANGE));
		scratch_remove("ca");
	}
	assert_true(failures > 100);
}

/* Whatever fails, the index is whole, and names no certificate that is not kept. */
static void check_index(bool issued)
{
	_cleanup_(authority_closep) struct authority *authority = open_unlocked(AUTHORITY_READ);
	const struct index *index = authority_index(authority);

	assert_in_range(index->count, issued, 1);
	for (size_t i = 0; i < index->count; i++) {
		_cleanup_(X509_freep) X509 *certificate = NULL;
		_cleanup_free_ char *error = NULL;

		assert_int_equal(authority_read_certificate(
					 authority, index->entries[i].serial, &certificate, &error),
			0);
	}
}

static int open_and_issue(EVP_PKEY *key, X509 **ret_certificate)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_free_ char *error = NULL;
	int r = authority_open("ca", AUTHORITY_CHANGE, &authority, &error);

	if (r == 0)
		r = authority_unlock(authority, NULL, NULL, &error);
	return r < 0 ? r : try_issue(authority, key, now_s(), DAY, ret_certificate);
}

static void failed_issue_can_be_done_again(void **state _unused_)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned int failures = 0;

	authority_close(make_and_open());
	faults_begin();
	while (faults_more()) {
		static const char empty[] = "netlambda-pki-index 1\n";
		_cleanup_(X509_freep) X509 *certificate = NULL;
		int r;

		assert_int_equal(file_write("ca/index", empty, sizeof(empty) - 1, 0644, true), 0);
		faults_arm();
		r = open_and_issue(key, &certificate);
		faults_disarm();
		failures += r < 0;
		assert_true((r == 0) == (certificate != NULL));
		check_index(r == 0);
	}
	assert_true(failures > 100);
}

static int open_and_revoke(void)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_free_ char *error = NULL;
	int r = authority_open("ca", AUTHORITY_CHANGE, &authority, &error);

	if (r == 0)
		r = authority_unlock(authority, NULL, NULL, &error);
	if (r == 0)
		r = authority_revoke(authority, 0, REVOCATION_SUPERSEDED, now_s(), &error);
	return r < 0 ? r : authority_write_crl(authority, now_s(), DAY, &error);
}

/* When it says that it is revoked, the list says so too; the list is never damaged. */
static void failed_revocation_is_told_and_can_be_done_again(void **state _unused_)
{
	_cleanup_(authority_closep) struct authority *authority = make_and_open();
	_cleanup_(X509_freep) X509 *bad = issue(authority);
	unsigned int failures = 0;

	authority_close(TAKE_PTR(authority));
	faults_begin();
	while (faults_more()) {
		_cleanup_(X509_CRL_freep) X509_CRL *crl = NULL;
		X509_REVOKED *entry;
		int r;

		faults_arm();
		r = open_and_revoke();
		faults_disarm();
		crl = read_crl();
		failures += r < 0;
		if (r == 0)
			assert_int_equal(X509_CRL_get0_by_cert(crl, &entry, bad), 1);
	}
	assert_int_equal(open_and_revoke(), 0);
	assert_true(failures > 50);
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(new_ca_has_its_files_and_only_the_key_is_secret),
		IN_SCRATCH(ca_is_never_made_over_another),
		IN_SCRATCH(serials_are_random_and_128_bits),
		IN_SCRATCH(certificate_is_kept_and_entered_before_it_is_given),
		IN_SCRATCH(certificate_ends_with_its_ca_at_the_latest),
		IN_SCRATCH(weak_key_gets_no_certificate),
		IN_SCRATCH(revoked_certificate_is_in_the_signed_list),
		IN_SCRATCH(key_with_a_passphrase_opens_with_it_only),
		IN_SCRATCH(damage_of_a_file_is_named),
		IN_SCRATCH(key_of_another_ca_is_noticed),
		IN_SCRATCH(key_that_everybody_may_read_is_refused),
		IN_SCRATCH(changes_wait_for_each_other),
		IN_SCRATCH(ca_is_made_as_a_whole_or_not_at_all),
		IN_SCRATCH(failed_issue_can_be_done_again),
		IN_SCRATCH(failed_revocation_is_told_and_can_be_done_again),
	};

	faults_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
