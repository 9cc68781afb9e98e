// SPDX-License-Identifier: BSD-2-Clause
/* Captures built byte by byte, with one thing bent at a time. */
#include "replay/capture.h"

#include "base/clock.h"
#include "replay/link.h"
#include "tests/unit/test.h"

#include <pcap/dlt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PACKETS     20
#define PAYLOAD     100 /* bytes of a packet in these captures, without what a test adds */
#define START       1700000000U
#define CORRUPTIONS 2000

/* LINKTYPE_RAW, as files have it; libpcap shows it as DLT_RAW. */
#define LINKTYPE_RAW 101

struct file {
	uint8_t bytes[8192];
	size_t size;
	char path[64];
};

static void put32(struct file *file, uint32_t value)
{
	memcpy(file->bytes + file->size, &value, sizeof(value));
	file->size += sizeof(value);
}

static void put_header(struct file *file, uint32_t link)
{
	file->size = 0;
	put32(file, 0xa1b23c4d); /* nanoseconds */
	put32(file, 4U << 16 | 2);
	put32(file, 0);
	put32(file, 0);
	put32(file, 65535);
	put32(file, link);
}

/* A packet whose bytes are all `fill`. */
static void put_packet(
	struct file *file, uint32_t nanosecond, uint32_t captured, uint32_t length, uint8_t fill)
{
	put32(file, START);
	put32(file, nanosecond);
	put32(file, captured);
	put32(file, length);
	memset(file->bytes + file->size, fill, captured);
	file->size += captured;
}

static int open_file(struct file *file, struct capture **ret_capture, char **ret_error)
{
	int fd, r;

	strcpy(file->path, "/tmp/test-capture-XXXXXX");
	fd = mkstemp(file->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file->bytes, file->size), file->size);
	close(fd);
	r = capture_open(file->path, ret_capture, ret_error);
	unlink(file->path);
	return r;
}

static struct capture *open_good(struct file *file)
{
	struct capture *capture = NULL;
	char *error = NULL;

	if (open_file(file, &capture, &error) < 0)
		fail_msg("%s", error);
	return capture;
}

static struct capture_frame next(struct capture *capture)
{
	struct capture_frame frame;
	char *error = NULL;

	assert_int_equal(capture_next(capture, &frame, &error), 1);
	return frame;
}

static void assert_end(struct capture *capture)
{
	struct capture_frame frame;
	char *error = NULL;

	assert_int_equal(capture_next(capture, &frame, &error), 0);
}

static void frames_have_their_bytes_times_and_numbers(void **state _unused_)
{
	_cleanup_(capture_freep) struct capture *capture = NULL;
	struct capture_frame frame;
	struct file file;

	put_header(&file, DLT_EN10MB);
	put_packet(&file, 7, 60, 60, 0xaa);
	put_packet(&file, 999999999, 61, 61, 0xbb);
	capture = open_good(&file);
	frame = next(capture);
	assert_int_equal(frame.number, 1);
	assert_int_equal(frame.time_ns, START * NS_PER_SEC + 7);
	assert_int_equal(frame.size, 60);
	assert_int_equal(frame.bytes[59], 0xaa);
	frame = next(capture);
	assert_int_equal(frame.number, 2);
	assert_int_equal(frame.time_ns, START * NS_PER_SEC + 999999999);
	assert_int_equal(frame.bytes[60], 0xbb);
	assert_end(capture);
	assert_int_equal(capture_counters(capture)->bytes, 121);
	assert_string_equal(capture_link_name(capture), "EN10MB");
}

static void cut_frames_are_filled_up_with_zeros(void **state _unused_)
{
	_cleanup_(capture_freep) struct capture *capture = NULL;
	struct capture_frame frame;
	struct file file;

	put_header(&file, DLT_EN10MB);
	put_packet(&file, 0, 60, 60, 0xff);
	put_packet(&file, 0, 50, 1500, 0xee);
	put_packet(&file, 0, 14, CAPTURE_FRAME_MAX, 0xdd);
	put_packet(&file, 0, 14, CAPTURE_FRAME_MAX + 1, 0xcc);
	capture = open_good(&file);
	next(capture);
	frame = next(capture);
	assert_int_equal(frame.size, 1500);
	assert_int_equal(frame.bytes[49], 0xee);
	for (size_t i = 50; i < frame.size; i++)
		assert_int_equal(frame.bytes[i], 0);
	frame = next(capture);
	assert_int_equal(frame.size, CAPTURE_FRAME_MAX);
	assert_int_equal(frame.bytes[13], 0xdd);
	assert_int_equal(frame.bytes[CAPTURE_FRAME_MAX - 1], 0);
	assert_end(capture);
	assert_int_equal(capture_counters(capture)->cut, 2);
	assert_int_equal(capture_counters(capture)->too_long, 1);
}

static void raw_ip_gets_the_ethertype_of_its_version(void **state _unused_)
{
	_cleanup_(capture_freep) struct capture *capture = NULL;
	struct capture_frame frame;
	struct file file;

	put_header(&file, LINKTYPE_RAW);
	put_packet(&file, 0, 40, 40, 0x45);
	put_packet(&file, 0, 40, 40, 0x60);
	put_packet(&file, 0, 0, 0, 0);
	capture = open_good(&file);
	frame = next(capture);
	assert_int_equal(frame.size, 54);
	assert_memory_equal(frame.bytes + 12, "\x08\x00\x45", 3);
	frame = next(capture);
	assert_memory_equal(frame.bytes + 12, "\x86\xdd\x60", 3);
	frame = next(capture);
	assert_int_equal(frame.size, LINK_ETHERNET_BYTES);
	assert_end(capture);
}

static void what_names_no_protocol_is_left_out_and_counted(void **state _unused_)
{
	_cleanup_(capture_freep) struct capture *capture = NULL;
	struct file file;

	put_header(&file, DLT_NULL);
	put_packet(&file, 0, 40, 40, 99);
	put_packet(&file, 0, 3, 3, 2);
	capture = open_good(&file);
	assert_end(capture);
	assert_int_equal(capture_counters(capture)->packets, 2);
	assert_int_equal(capture_counters(capture)->no_protocol, 1);
	assert_int_equal(capture_counters(capture)->too_short, 1);
}

static void time_stands_still_until_the_file_has_caught_up(void **state _unused_)
{
	static const uint32_t stamps[] = {500, 400, 499, 500, 1000000000, 501};
	static const uint32_t expected[] = {500, 500, 500, 500, 500, 501};
	_cleanup_(capture_freep) struct capture *capture = NULL;
	struct file file;

	put_header(&file, DLT_EN10MB);
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++)
		put_packet(&file, stamps[i], 60, 60, 0);
	capture = open_good(&file);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(next(capture).time_ns, START * NS_PER_SEC + expected[i]);
	assert_int_equal(capture_counters(capture)->late, 3);
	assert_int_equal(capture_counters(capture)->first_late, 2);
}

/* Reads whatever is left of a capture. */
static void read_all(struct capture *capture, unsigned int seed)
{
	struct capture_frame frame;
	uint64_t last_ns = 0, sum = 0;
	char *error = NULL;
	int r;

	while ((r = capture_next(capture, &frame, &error)) > 0) {
		if (frame.size < LINK_ETHERNET_BYTES || frame.size > CAPTURE_FRAME_MAX)
			fail_msg("seed %u: a frame of %zu bytes", seed, frame.size);
		if (frame.time_ns < last_ns)
			fail_msg("seed %u: time goes back", seed);
		last_ns = frame.time_ns;
		/* Each byte is there to be read. */
		for (size_t i = 0; i < frame.size; i++)
			sum += frame.bytes[i];
	}
	if (r < 0 && !error)
		fail_msg("seed %u: an error without words", seed);
	assert_true(sum < UINT64_MAX);
	free(error);
}

static void any_corruption_ends_in_order(void **state _unused_)
{
	static const uint32_t links[] = {
		DLT_EN10MB, LINKTYPE_RAW, DLT_NULL, DLT_LINUX_SLL, DLT_LINUX_SLL2};
	unsigned int refused = 0;

	for (unsigned int seed = 0; seed < CORRUPTIONS; seed++) {
		struct capture *capture = NULL;
		char *error = NULL;
		struct file file;

		srandom(seed);
		put_header(&file, links[seed % ARRAY_SIZE(links)]);
		for (uint32_t i = 0; i < PACKETS; i++)
			put_packet(&file, i, PAYLOAD, PAYLOAD, (uint8_t)i);
		for (long flips = random() % 8; flips >= 0; flips--)
			file.bytes[(size_t)random() % file.size] = (uint8_t)random();
		file.size -= (size_t)(random() % 3) * ((size_t)random() % file.size) / 2;
		if (open_file(&file, &capture, &error) < 0) {
			refused++;
			assert_non_null(error);
		} else {
			read_all(capture, seed);
		}
		capture_free(capture);
		free(error);
	}
	print_message("%u of %d were refused as a whole\n", refused, CORRUPTIONS);
	assert_true(refused < CORRUPTIONS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_have_their_bytes_times_and_numbers),
		cmocka_unit_test(cut_frames_are_filled_up_with_zeros),
		cmocka_unit_test(raw_ip_gets_the_ethertype_of_its_version),
		cmocka_unit_test(what_names_no_protocol_is_left_out_and_counted),
		cmocka_unit_test(time_stands_still_until_the_file_has_caught_up),
		cmocka_unit_test(any_corruption_ends_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
