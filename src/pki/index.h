/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_INDEX_H
#define PKI_INDEX_H

/*
 * What a CA issued: a text file, a line a certificate, fields with a tab between. It is read as a
 * whole or not at all, so what somebody's editor did to it is found before a CRL lacks a line.
 *
 *   netlambda-pki-index 1
 *   SERIAL  KIND  ID  NAME  ISSUED  EXPIRES  [REVOKED  REASON]
 */

#include "pki/certificate.h"

#define INDEX_BYTES_MAX (64U << 20)

/* Why a certificate was revoked (RFC 5280, 5.3.1), by its number there. */
enum revocation_reason {
	REVOCATION_UNSPECIFIED = 0,
	REVOCATION_KEY_COMPROMISE = 1,
	REVOCATION_SUPERSEDED = 4,
	REVOCATION_CESSATION = 5,
};

/* "key-compromise", ...; NULL for a number that is none. */
const char *revocation_reason_name(enum revocation_reason reason);
/* 0 or -EINVAL. */
int revocation_reason_parse(const char *name, enum revocation_reason *ret_reason) _must_check_;

struct index_entry {
	char serial[CERTIFICATE_SERIAL_MAX];
	enum certificate_kind kind;
	uint32_t switch_id; /* 0 for a server */
	char name[CERTIFICATE_COMMON_NAME + 1];
	int64_t issued, expires;
	int64_t revoked; /* 0: it is not */
	enum revocation_reason reason;
};

struct index {
	struct index_entry *entries; /* in the order of issue */
	size_t count, room;
};

/* 0; -EBADMSG: damaged, and where; or a negative errno. With a message. */
int index_read(const char *path, struct index *ret_index, char **ret_error) _must_check_;
int index_write(const char *path, const struct index *index, char **ret_error) _must_check_;
void index_done(struct index *index);

/* 0 or -ENOMEM. */
int index_add(struct index *index, const struct index_entry *entry) _must_check_;

/* "2026-08-03T10:00:00Z" */
#define TIME_TEXT_MAX 32
const char *time_text(int64_t seconds, char text[static TIME_TEXT_MAX]);
/* 0 or -EINVAL. */
int time_parse(const char *text, int64_t *ret_seconds) _must_check_;

#endif
