// SPDX-License-Identifier: BSD-2-Clause
#include "decrypt/decrypt.h"

#include "decrypt/captured.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

static bool is_open(const uint8_t *tag)
{
	static const uint8_t zeros[V2_TAG_BYTES];

	return memcmp(tag, zeros, sizeof(zeros)) == 0;
}

int decrypt_packet(struct key_file *keys, int link_type, uint8_t *packet, size_t size,
	size_t wire_size, struct decrypt_counters *counters)
{
	struct captured captured;
	struct v2_header header;
	uint8_t *tag;

	counters->packets++;
	if (size < wire_size) {
		counters->cut++;
		return 0;
	}
	if (!captured_find(link_type, packet, size, &captured) ||
		v2_get_header(captured.payload, captured.size, &header) != V2_OK)
		return 0;
	tag = captured.payload + captured.size - V2_TAG_BYTES;
	if (is_open(tag)) {
		counters->open++;
		return 0;
	}
	switch (key_file_open(keys, &header, captured.payload, captured.size)) {
	case KEY_OPENED:
		counters->opened++;
		memset(tag, 0, V2_TAG_BYTES);
		captured_fix_checksum(&captured);
		return 0;
	case KEY_UNKNOWN_SESSION:
		counters->unknown_session++;
		return 0;
	case KEY_UNSEALED:
		counters->unsealed++;
		return 0;
	case KEY_NO_MEMORY:
	default:
		return -ENOMEM;
	}
}

/* ---- files ---- */

struct files {
	const char *from, *to;
	pcap_t *in;
	pcap_dumper_t *out;
	uint8_t *packet; /* one that may be changed */
	size_t capacity;
};

static void files_close(struct files *files)
{
	if (files->out)
		pcap_dump_close(files->out);
	if (files->in)
		pcap_close(files->in);
	free(files->packet);
}

static int fail(char **ret_error, int r, const char *path, const char *why)
{
	if (asprintf(ret_error, "%s: %s", path, why) < 0)
		*ret_error = NULL;
	return r;
}

static int files_open(struct files *files, char **ret_error)
{
	char why[PCAP_ERRBUF_SIZE];

	files->in = pcap_open_offline_with_tstamp_precision(
		files->from, PCAP_TSTAMP_PRECISION_NANO, why);
	/* What libpcap says of a file names it. */
	if (!files->in)
		return fail(ret_error, -EINVAL, "cannot read the capture", why);
	if (!captured_knows(pcap_datalink(files->in)))
		return fail(ret_error, -EPROTONOSUPPORT, files->from,
			"packets of its link type cannot be looked into");
	files->out = pcap_dump_open(files->in, files->to);
	if (!files->out)
		return fail(ret_error, -EIO, files->to, pcap_geterr(files->in));
	return 0;
}

static int take_copy(struct files *files, const uint8_t *bytes, size_t size)
{
	if (size > files->capacity) {
		uint8_t *grown = realloc(files->packet, size);

		if (!grown)
			return -ENOMEM;
		files->packet = grown;
		files->capacity = size;
	}
	if (size > 0)
		memcpy(files->packet, bytes, size);
	return 0;
}

static int copy_all(struct files *files, struct key_file *keys, struct decrypt_counters *counters,
	char **ret_error)
{
	int link_type = pcap_datalink(files->in);
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	int r;

	while ((r = pcap_next_ex(files->in, &header, &bytes)) == 1) {
		if (take_copy(files, bytes, header->caplen) < 0 ||
			decrypt_packet(keys, link_type, files->packet, header->caplen, header->len,
				counters) < 0)
			return fail(ret_error, -ENOMEM, files->from, strerror(ENOMEM));
		pcap_dump((uint8_t *)files->out, header, files->packet);
	}
	if (r == PCAP_ERROR)
		return fail(ret_error, -EBADMSG, files->from, pcap_geterr(files->in));
	errno = 0;
	if (pcap_dump_flush(files->out) < 0 || ferror(pcap_dump_file(files->out)))
		return fail(ret_error, errno ? -errno : -EIO, files->to, "cannot be written");
	return 0;
}

int decrypt_file(struct key_file *keys, const char *from, const char *to,
	struct decrypt_counters *ret_counters, char **ret_error)
{
	_cleanup_(files_close) struct files files = {.from = from, .to = to};
	struct decrypt_counters counters = {0};
	int r = files_open(&files, ret_error);

	if (r == 0)
		r = copy_all(&files, keys, &counters, ret_error);
	if (r == 0)
		*ret_counters = counters;
	return r;
}
