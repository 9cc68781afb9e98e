// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki_grant.h"

#include "pki/crypto.h"

#include <stdio.h>
#include <string.h>

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT. */
static bool is_server(const char *text)
{
	const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
	const char *end = bracket ? bracket + 1 : text + strcspn(text, ":");
	uint64_t port;

	if (strpbrk(text, " \t\r\n") || end == text || (text[0] == '[' && !bracket))
		return false;
	return *end == '\0' ||
	       (*end == ':' && cli_parse_number(end + 1, 1, UINT16_MAX, &port) == 0);
}

int pki_check_server(const struct cli *cli, const char *server)
{
	if (!server || is_server(server))
		return 0;
	return cli_usage_error(
		cli, "--server: expected HOST[:PORT] or [IPV6]:PORT, found \"%s\"", server);
}

static int fail(const char *error)
{
	cli_error("%s", error ? error : "out of memory");
	return EXIT_FAILURE;
}

/* The file's credentials borrow all but their stacks. */
static int write_file(const char *path, const struct pki_grant *grant, EVP_PKEY *private_key,
	X509 *certificate, const struct authority *authority, bool force)
{
	struct credentials credentials = {
		.key = private_key,
		.certificate = certificate,
		.between = sk_X509_new_null(),
		.anchors = sk_X509_new_null(),
		.server = (char *)grant->server,
	};
	char title[PKI_TITLE_MAX];
	int status;

	if (!credentials.between || !credentials.anchors ||
		sk_X509_push(credentials.anchors, authority_certificate(authority)) <= 0)
		status = fail(NULL);
	else
		status = pki_write_credentials(path, &credentials,
			pki_title(grant->subject.kind, grant->subject.switch_id,
				grant->subject.name, title),
			force);
	sk_X509_free(credentials.between);
	sk_X509_free(credentials.anchors);
	return status;
}

static void tell_json(const struct pki_options *options, const struct authority *authority,
	const char *path, const struct pki_grant *grant, const char *serial)
{
	const struct pki_selector selector = {.by_serial = true, .text = serial};
	const struct index_entry *entry = pki_find(authority_index(authority), &selector, PKI_ANY);
	json_t *object = entry ? pki_entry_json(entry, pki_now()) : json_object();

	json_object_set_new(object, "path", json_string(path));
	json_object_set_new(object, "private_key", json_boolean(!grant->public_key));
	cli_print_new(options->cli, object);
}

static void tell(const char *path, const struct pki_grant *grant, const X509 *certificate)
{
	bool is_switch = grant->subject.kind == CERTIFICATE_SWITCH;
	char title[PKI_TITLE_MAX], until[TIME_TEXT_MAX];
	int64_t from_s, until_s;

	certificate_validity(certificate, &from_s, &until_s);
	printf("%s: wrote %s, valid until %s\n",
		pki_title(
			grant->subject.kind, grant->subject.switch_id, grant->subject.name, title),
		path, time_text(until_s, until));
	if (strcmp(path, credentials_place(grant->subject.kind)) == 0) {
		printf("it is where the %s of this machine looks for it\n",
			is_switch ? "agent" : "server");
		return;
	}
	printf("on the %s: sudo netlambda pki enroll %s\n", is_switch ? "switch" : "server", path);
	if (!grant->public_key)
		printf("it holds a private key: send it by a safe way, and remove it here "
		       "afterwards\n");
}

int pki_grant(const struct pki_options *options, struct authority *authority,
	const struct pki_grant *grant)
{
	const char *path = options->to ? options->to : grant->to;
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *made = NULL;
	_cleanup_(X509_freep) X509 *certificate = NULL;
	_cleanup_free_ char *error = NULL;
	char serial[CERTIFICATE_SERIAL_MAX];
	struct authority_request request = {
		.subject = grant->subject,
		.now = pki_now(),
		.lifetime_s = options->lifetime_s,
	};

	if (pki_check_output(path, options->force) != 0)
		return EXIT_FAILURE;
	if (!grant->public_key && key_generate(&made, &error) < 0)
		return fail(error);
	request.public_key = made ? made : grant->public_key;
	if (authority_issue(authority, &request, &certificate, &error) < 0)
		return fail(error);
	certificate_serial(certificate, serial);
	if (write_file(path, grant, made, certificate, authority, options->force) != 0) {
		cli_error("its certificate is issued all the same: revoke %s", serial);
		return EXIT_FAILURE;
	}
	if (strcmp(path, "-") == 0)
		return 0;
	if (options->cli->output == OUTPUT_TABLE)
		tell(path, grant, certificate);
	else
		tell_json(options, authority, path, grant, serial);
	return 0;
}
