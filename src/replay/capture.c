// SPDX-License-Identifier: BSD-2-Clause
#include "replay/capture.h"

#include "base/clock.h"
#include "base/error.h"
#include "replay/link.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define GZIP_FIRST 0x1f /* the first byte of a file by gzip(1); no capture begins so */

struct capture {
	char *path;
	pcap_t *pcap;
	off_t file_bytes; /* 0: a pipe */
	const struct link_type *link;
	struct capture_counters counters;
	uint8_t buffer[CAPTURE_FRAME_MAX]; /* for frames that are not taken as they lie */
};

/* ---- opening ---- */

/* What libpcap would tell in its own terms. */
static int check_first_byte(FILE *file, const char *path, char **ret_error)
{
	int first = getc(file);

	if (first == EOF && ferror(file))
		return error_set(ret_error, -EIO, "%s: cannot read: %s", path, strerror(errno));
	if (first == EOF)
		return error_set(ret_error, -EINVAL,
			"%s: the file is empty: expected a pcap or pcapng capture", path);
	ungetc(first, file);
	if (first == GZIP_FIRST)
		return error_set(ret_error, -EINVAL,
			"%s: compressed: unpack it first, or use zcat %s | netlambda replay -",
			path, path);
	return 0;
}

static int open_pcap(struct capture *capture, FILE *file, char **ret_error)
{
	char error[PCAP_ERRBUF_SIZE];

	capture->pcap =
		pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
	if (capture->pcap)
		return 0;
	fclose(file);
	return error_set(
		ret_error, -EINVAL, "%s: not a pcap or pcapng capture: %s", capture->path, error);
}

static int find_link(struct capture *capture, char **ret_error)
{
	int dlt = pcap_datalink(capture->pcap);
	const char *what = pcap_datalink_val_to_description_or_dlt(dlt);

	capture->link = link_find(dlt);
	if (capture->link)
		return 0;
	return error_set(ret_error, -EPROTONOSUPPORT,
		"%s: link type %d (%s) cannot be replayed: expected Ethernet, raw IP, Linux cooked "
		"or "
		"BSD loopback",
		capture->path, dlt, what);
}

int capture_open(const char *path, struct capture **ret_capture, char **ret_error)
{
	_cleanup_(capture_freep) struct capture *capture = calloc(1, sizeof(*capture));
	bool from_pipe = strcmp(path, "-") == 0;
	FILE *file = from_pipe ? stdin : fopen(path, "re");
	struct stat st;
	int r;

	if (!file)
		return error_set(ret_error, -errno, "%s: cannot open: %s", path, strerror(errno));
	if (capture)
		capture->path = strdup(from_pipe ? "standard input" : path);
	if (!capture || !capture->path) {
		fclose(file);
		return -ENOMEM;
	}
	if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode))
		capture->file_bytes = st.st_size;
	r = check_first_byte(file, capture->path, ret_error);
	if (r < 0) {
		fclose(file);
		return r;
	}
	r = open_pcap(capture, file, ret_error);
	if (r == 0)
		r = find_link(capture, ret_error);
	if (r < 0)
		return r;
	*ret_capture = TAKE_PTR(capture);
	return 0;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	if (capture->pcap)
		pcap_close(capture->pcap);
	free(capture->path);
	free(capture);
}

/* ---- reading ---- */

/*
 * Captures of several interfaces or CPUs are often a little out of order, and a clock may have been
 * set back. The switch's clock does neither, so time stands still until the file has caught up.
 */
static uint64_t take_time(struct capture *capture, const struct timeval *ts)
{
	struct capture_counters *counters = &capture->counters;
	/* tv_usec has nanoseconds, as was asked for. */
	bool possible = ts->tv_sec >= 0 && (uint64_t)ts->tv_sec < INT64_MAX / NS_PER_SEC &&
			ts->tv_usec >= 0 && (uint64_t)ts->tv_usec < NS_PER_SEC;
	uint64_t now_ns = possible ? (uint64_t)ts->tv_sec * NS_PER_SEC + (uint64_t)ts->tv_usec : 0;

	if (possible && now_ns >= counters->last_ns)
		return now_ns;
	counters->late++;
	if (counters->first_late == 0)
		counters->first_late = counters->packets;
	return counters->last_ns;
}

/* A frame made in the buffer: an Ethernet header, what was captured behind the link's, and zeros. */
static bool rebuild_frame(
	struct capture *capture, const uint8_t *packet, size_t captured, size_t size)
{
	size_t skipped = link_header_bytes(capture->link);

	if (skipped == LINK_ETHERNET_BYTES)
		memcpy(capture->buffer, packet, skipped);
	else if (link_make_ethernet(capture->link, packet, captured, capture->buffer) < 0)
		return false;
	captured -= skipped;
	memcpy(capture->buffer + LINK_ETHERNET_BYTES, packet + skipped, captured);
	captured += LINK_ETHERNET_BYTES;
	memset(capture->buffer + captured, 0, size - captured);
	return true;
}

/* False: the packet is left out, and that has been counted. */
static bool take_packet(struct capture *capture, const struct pcap_pkthdr *header,
	const uint8_t *packet, struct capture_frame *ret_frame)
{
	struct capture_counters *counters = &capture->counters;
	size_t captured = header->caplen, length = MAX(header->len, header->caplen);
	size_t skipped = link_header_bytes(capture->link);
	size_t size = length - skipped + LINK_ETHERNET_BYTES;

	counters->packets++;
	counters->bytes += length;
	if (captured < skipped) {
		counters->too_short++;
		return false;
	}
	if (size > CAPTURE_FRAME_MAX) {
		counters->too_long++;
		return false;
	}
	*ret_frame =
		(struct capture_frame){.number = counters->packets, .bytes = packet, .size = size};
	if (captured < length || skipped != LINK_ETHERNET_BYTES) {
		if (!rebuild_frame(capture, packet, captured, size)) {
			counters->no_protocol++;
			return false;
		}
		ret_frame->bytes = capture->buffer;
	}
	counters->cut += captured < length;
	ret_frame->time_ns = take_time(capture, &header->ts);
	if (counters->first_ns == 0)
		counters->first_ns = ret_frame->time_ns;
	counters->last_ns = ret_frame->time_ns;
	return true;
}

static int damaged(struct capture *capture, char **ret_error)
{
	long long at = ftello(pcap_file(capture->pcap));

	if (at < 0)
		return error_set(ret_error, -EBADMSG, "%s: after packet %" PRIu64 ": %s",
			capture->path, capture->counters.packets, pcap_geterr(capture->pcap));
	return error_set(ret_error, -EBADMSG, "%s: after packet %" PRIu64 ", at byte %lld: %s",
		capture->path, capture->counters.packets, at, pcap_geterr(capture->pcap));
}

int capture_next(struct capture *capture, struct capture_frame *ret_frame, char **ret_error)
{
	for (;;) {
		struct pcap_pkthdr *header;
		const uint8_t *packet;
		int r = pcap_next_ex(capture->pcap, &header, &packet);

		if (r == PCAP_ERROR_BREAK)
			return 0;
		if (r < 0)
			return damaged(capture, ret_error);
		if (r > 0 && take_packet(capture, header, packet, ret_frame))
			return 1;
	}
}

/* ---- about it ---- */

int capture_fd(const struct capture *capture)
{
	return fileno(pcap_file(capture->pcap));
}

const struct capture_counters *capture_counters(const struct capture *capture)
{
	return &capture->counters;
}

const char *capture_link_name(const struct capture *capture)
{
	const char *name = pcap_datalink_val_to_name(pcap_datalink(capture->pcap));

	return name ? name : "?";
}

double capture_progress(const struct capture *capture)
{
	off_t at = ftello(pcap_file(capture->pcap));

	if (capture->file_bytes == 0 || at < 0)
		return -1;
	return (double)at / (double)capture->file_bytes;
}
