// SPDX-License-Identifier: BSD-2-Clause
/* The parts of version 2's ends; the ends themselves are tested by tests/sim. */
#include "tests/unit/test.h"
#include "wire/v2_congestion.h"
#include "wire/v2_control.h"
#include "wire/v2_mtu.h"
#include "wire/v2_receiver.h"
#include "wire/v2_seal.h"

#define MS 1000000ULL

/* ---- replay window, key phases ---- */

static void packet_number_is_fresh_once(void **state _unused_)
{
	struct v2_replay replay = {0};

	assert_int_equal(v2_replay_check(&replay, 0), V2_REPLAY_FRESH);
	v2_replay_mark(&replay, 0);
	assert_int_equal(v2_replay_check(&replay, 0), V2_REPLAY_SEEN);
	v2_replay_mark(&replay, 5);
	for (uint64_t i = 1; i < 5; i++)
		assert_int_equal(v2_replay_check(&replay, i), V2_REPLAY_FRESH);
	assert_int_equal(v2_replay_check(&replay, 5), V2_REPLAY_SEEN);
}

static void left_of_the_window_all_is_old(void **state _unused_)
{
	struct v2_replay replay = {0};

	v2_replay_mark(&replay, 20000);
	assert_int_equal(v2_replay_check(&replay, 20000 - V2_REPLAY_WINDOW), V2_REPLAY_OLD);
	assert_int_equal(
		v2_replay_check(&replay, 20001 - (V2_REPLAY_WINDOW - 64)), V2_REPLAY_FRESH);
	assert_int_equal(v2_replay_check(&replay, 20000 - (V2_REPLAY_WINDOW - 64)), V2_REPLAY_OLD);
}

/* Against a plain list of what was marked, over a walk with jumps of every size. */
static void window_never_forgets_within_its_length(void **state _unused_)
{
	static bool seen[200000];
	struct v2_replay replay = {0};
	uint64_t random = 7, newest = 0;

	for (int i = 0; i < 100000; i++) {
		uint64_t packet;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		packet = newest + (random >> 33) % 5;
		packet -= packet < 9000 || i % 2 ? 0 : (random >> 40) % 8100;
		if (packet >= 200000)
			break;
		if (v2_replay_check(&replay, packet) == V2_REPLAY_FRESH) {
			assert_false(seen[packet]);
			v2_replay_mark(&replay, packet);
			seen[packet] = true;
		} else if (!seen[packet]) {
			assert_true(newest - packet >= V2_REPLAY_WINDOW - 65);
		}
		newest = packet > newest ? packet : newest;
	}
	assert_true(newest > 10000);
}

static void three_generations_of_keys_are_known(void **state _unused_)
{
	struct v2_phases phases = {0};
	uint64_t generation = 77;

	assert_true(v2_phase_find(&phases, 0, &generation));
	assert_int_equal(generation, 0);
	/* There is none before the first. */
	assert_false(v2_phase_find(&phases, 3, &generation));
	assert_true(v2_phase_find(&phases, 1, &generation));
	assert_int_equal(generation, 1);
	assert_false(v2_phase_find(&phases, 2, &generation));
	v2_phase_held(&phases, 6);
	v2_phase_held(&phases, 5);
	assert_true(v2_phase_find(&phases, 1, &generation));
	assert_int_equal(generation, 5);
	assert_true(v2_phase_find(&phases, 3, &generation));
	assert_int_equal(generation, 7);
}

/* ---- acknowledgement ranges ---- */

static void ranges_join_and_the_oldest_are_forgotten(void **state _unused_)
{
	struct v2_ranges ranges = {0};

	v2_ranges_add(&ranges, 1);
	v2_ranges_add(&ranges, 3);
	assert_int_equal(ranges.count, 2);
	v2_ranges_add(&ranges, 2);
	assert_int_equal(ranges.count, 1);
	assert_int_equal(ranges.list[0].first, 1);
	assert_int_equal(ranges.list[0].last, 3);
	for (uint64_t i = 10; i < 200; i += 2)
		v2_ranges_add(&ranges, i);
	assert_int_equal(ranges.count, V2_ACK_RANGES);
	assert_int_equal(ranges.list[0].last, 198);
	assert_int_equal(ranges.list[V2_ACK_RANGES - 1].last, 198 - 2 * (V2_ACK_RANGES - 1));
}

/* ---- incarnations ---- */

/* What is no session, or the one before, must be passed over, whatever the randomness. */
static uint64_t few_numbers(void *user)
{
	return (*(uint64_t *)user)++ / 4 * 0xff;
}

static void sessions_differ_and_end_with_their_worker(void **state _unused_)
{
	uint64_t draws = 0, before = 0;
	const struct v2_receiver_config config = {.window = {2, 2, 2},
		.record_max = 4,
		.worker = 0xa7,
		.random = few_numbers,
		.random_user = &draws};
	const struct v2_mark mark = {.boot = 1, .epoch = 1};
	const struct v2_hello hello = {.boot = 1};
	struct v2_receiver receiver;

	assert_int_equal(v2_receiver_init(&receiver, &config), 0);
	for (int i = 0; i < 10; i++) {
		struct v2_welcome welcome;

		assert_int_equal(
			v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
		assert_int_equal(welcome.session & 0xff, 0xa7);
		assert_true(welcome.session > 0xff && welcome.session <= V2_SESSION_MAX);
		assert_int_not_equal(welcome.session, before);
		before = welcome.session;
	}
	v2_receiver_done(&receiver);
}

static void schemas_of_an_incarnation_do_not_change(void **state _unused_)
{
	uint64_t draws = 0;
	const struct v2_receiver_config config = {.window = {2, 2, 2},
		.record_max = 80,
		.random = few_numbers,
		.random_user = &draws};
	struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_hello hello = {
		.boot = 1, .schemas = {.count = 2, .list = {{1, 80, 5}, {2, 72, 6}}}};
	const struct v2_schemas first = hello.schemas;
	struct v2_schemas others[] = {first, first, first, first};
	struct v2_receiver receiver;
	struct v2_welcome welcome;

	others[0].count = 1;
	others[1].list[1].event_id = 3;
	others[2].list[1].hash = 7;
	others[3].list[0].record_bytes = 64;
	assert_int_equal(v2_receiver_init(&receiver, &config), 0);
	assert_int_equal(
		v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		uint64_t session = receiver.session;

		hello.schemas = others[i];
		assert_int_equal(
			v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome),
			V2_BAD_SCHEMA);
		assert_int_equal(receiver.session, session);
	}
	mark.epoch = 2;
	assert_int_equal(
		v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
	hello.schemas.list[0].record_bytes = 81; /* longer than there are places for */
	mark.epoch = 3;
	assert_int_equal(
		v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome), V2_BAD_SCHEMA);
	v2_receiver_done(&receiver);
}

static void incarnations_follow_each_other_and_none_comes_back(void **state _unused_)
{
	struct v2_mark mark = {0}, next;
	struct v2_hello first = {.boot = 11}, second = {.boot = 22};

	assert_int_equal(v2_admit(&mark, &first, &mark), V2_ADMIT_NEW);
	assert_int_equal(mark.epoch, 1);
	first.epoch = 1;
	mark.before[0] = 40;
	assert_int_equal(v2_admit(&mark, &first, &next), V2_ADMIT_RESUME);
	assert_int_equal(next.before[0], 40);
	assert_int_equal(v2_admit(&mark, &second, &mark), V2_ADMIT_NEW);
	assert_int_equal(mark.epoch, 2);
	assert_int_equal(mark.before[0], 0);
	/* The WELCOME was lost, the same HELLO comes again. */
	assert_int_equal(v2_admit(&mark, &second, &next), V2_ADMIT_RESUME);
	assert_int_equal(v2_admit(&mark, &first, &next), V2_ADMIT_STALE);
	assert_int_equal(next.epoch, 2);
}

/* ---- congestion ---- */

/* One round trip in which all of the window was sent and `lost` of a hundred did not arrive. */
static void round_trip(struct v2_congestion *cc, uint64_t *now, uint64_t rtt, unsigned int lost)
{
	uint64_t bytes = cc->window, gone = bytes * lost / 100;

	cc->flying = bytes;
	assert_false(v2_congestion_fits(cc, V2_MTU_FLOOR));
	*now += rtt;
	v2_congestion_sample(cc, rtt, *now);
	v2_congestion_acked(cc, (uint32_t)(bytes - gone));
	v2_congestion_lost(cc, (uint32_t)gone, true);
	v2_congestion_round(cc, cc->round_end, cc->round_end + 1);
}

static void lossy_lan_is_filled(void **state _unused_)
{
	struct v2_congestion cc;
	uint64_t now = MS;

	v2_congestion_init(&cc, 12500000); /* 10 Gb/s x 10 ms */
	for (int i = 0; i < 60; i++)
		round_trip(&cc, &now, MS / 5, 5);
	assert_int_equal(cc.window, 12500000);
}

static void growing_queue_and_heavy_loss_shrink_the_window(void **state _unused_)
{
	struct v2_congestion cc;
	uint64_t now = MS, before;

	v2_congestion_init(&cc, 12500000);
	for (int i = 0; i < 5; i++)
		round_trip(&cc, &now, MS / 5, 0);
	before = cc.window;
	round_trip(&cc, &now, 5 * MS, 0);
	assert_true(cc.window < before);
	before = cc.window;
	round_trip(&cc, &now, MS / 5, 30);
	assert_true(cc.window < before);
	v2_congestion_collapse(&cc);
	assert_int_equal(cc.window, V2_WINDOW_MIN * V2_MTU_FLOOR);
}

static void probe_timeout_fits_a_lan(void **state _unused_)
{
	struct v2_congestion cc;
	uint64_t now = MS;

	v2_congestion_init(&cc, 12500000);
	for (int i = 0; i < 30; i++)
		round_trip(&cc, &now, MS / 5, 0);
	assert_true(v2_congestion_probe_timeout(&cc) < 3 * MS);
	assert_int_equal(v2_congestion_loss_delay(&cc), V2_GRANULARITY_NS);
}

/* ---- MTU ---- */

static uint64_t packet;

static void acked(struct v2_mtu *mtu, uint32_t bytes, bool probe)
{
	v2_mtu_acked(
		mtu, &(struct v2_mtu_news){.packet = ++packet, .bytes = bytes, .probe = probe});
}

static bool lost(struct v2_mtu *mtu, uint32_t bytes, bool probe)
{
	return v2_mtu_lost(
		mtu, &(struct v2_mtu_news){.packet = ++packet, .bytes = bytes, .probe = probe});
}

/* Probes a path that carries `carries`; returns how many probes it took. */
static unsigned int search(struct v2_mtu *mtu, uint32_t carries)
{
	unsigned int probes = 0;

	while (v2_mtu_probe_due(mtu, 0)) {
		uint32_t size = v2_mtu_probe(mtu);

		assert_in_range(size, V2_MTU_FLOOR + 1, mtu->ceiling);
		assert_in_range(++probes, 1, 100);
		if (size <= carries)
			acked(mtu, size, true);
		else
			assert_false(lost(mtu, size, true));
	}
	return probes;
}

static void search_finds_what_each_path_carries(void **state _unused_)
{
	for (uint32_t carries = V2_MTU_FLOOR; carries <= V2_DATAGRAM_MAX; carries += 7) {
		struct v2_mtu mtu;

		v2_mtu_init(&mtu, V2_DATAGRAM_MAX);
		search(&mtu, carries);
		assert_in_range(mtu.size, V2_MTU_FLOOR, carries);
		assert_true(carries - mtu.size < 32);
	}
}

static void whole_ceiling_takes_one_probe(void **state _unused_)
{
	struct v2_mtu mtu;

	v2_mtu_init(&mtu, 1472);
	assert_int_equal(search(&mtu, 1472), 1);
	assert_int_equal(mtu.size, 1472);
}

static void size_that_the_interface_refuses_is_not_tried_again(void **state _unused_)
{
	struct v2_mtu mtu;

	v2_mtu_init(&mtu, V2_DATAGRAM_MAX);
	while (v2_mtu_probe_due(&mtu, 0)) {
		uint32_t size = v2_mtu_probe(&mtu);

		if (size <= 1472)
			acked(&mtu, size, true);
		else
			v2_mtu_refused(&mtu, size);
	}
	assert_in_range(mtu.size, 1472 - 32, 1472);
	/* The interface has got another MTU: the floor, and a search below what it refused. */
	v2_mtu_refused(&mtu, 1400);
	assert_int_equal(mtu.size, V2_MTU_FLOOR);
	assert_int_equal(search(&mtu, 1300) > 0, 1);
	assert_in_range(mtu.size, 1300 - 32, 1300);
	/* Below the floor there is nothing to be done. */
	v2_mtu_refused(&mtu, V2_MTU_FLOOR);
	assert_in_range(mtu.size, 1300 - 32, 1300);
}

/* With an ACK of many packets all that arrived is told first, then all that was lost. */
static void random_losses_are_no_black_hole(void **state _unused_)
{
	struct v2_mtu mtu;

	v2_mtu_init(&mtu, 1472);
	search(&mtu, 1472);
	packet += 200;
	acked(&mtu, 1472, false);
	packet -= 100;
	for (int i = 0; i < 50; i++)
		assert_false(lost(&mtu, 1472, false));
	assert_int_equal(mtu.size, 1472);
}

static void large_losses_in_a_row_are_a_black_hole(void **state _unused_)
{
	struct v2_mtu mtu;

	v2_mtu_init(&mtu, 1472);
	search(&mtu, 1472);
	for (int i = 0; i < 7; i++)
		assert_false(lost(&mtu, 1472, false));
	acked(&mtu, 1472, false);
	for (int i = 0; i < 7; i++)
		assert_false(lost(&mtu, 1472, false));
	/* What small datagrams do says nothing. */
	acked(&mtu, 100, false);
	assert_false(lost(&mtu, 100, false));
	assert_true(lost(&mtu, 1472, false));
	v2_mtu_fall(&mtu, 0);
	assert_int_equal(mtu.size, V2_MTU_FLOOR);
	assert_false(v2_mtu_probe_due(&mtu, MS));
	assert_true(v2_mtu_probe_due(&mtu, 601000 * MS));
}

/* ---- ciphers ---- */

static void server_takes_the_agents_favourite_of_what_is_allowed(void **state _unused_)
{
	const uint8_t both[] = {V2_CIPHER_AES_256_GCM, V2_CIPHER_CHACHA20_POLY1305};
	const struct v2_hello chacha_first = {.cipher_count = 3, .ciphers = {77, 2, 1}};
	const struct v2_hello silent = {0}, unknown = {.cipher_count = 1, .ciphers = {77}};
	uint8_t cipher = 0;

	assert_int_equal(v2_choose_cipher(&chacha_first, both, 2, &cipher), V2_OK);
	assert_int_equal(cipher, V2_CIPHER_CHACHA20_POLY1305);
	assert_int_equal(v2_choose_cipher(&chacha_first, both, 1, &cipher), V2_OK);
	assert_int_equal(cipher, V2_CIPHER_AES_256_GCM);
	/* Who says nothing has AES-256-GCM alone. */
	assert_int_equal(v2_choose_cipher(&silent, both, 2, &cipher), V2_OK);
	assert_int_equal(cipher, V2_CIPHER_AES_256_GCM);
	cipher = 99;
	assert_int_equal(v2_choose_cipher(&silent, both + 1, 1, &cipher), V2_NO_CIPHER);
	assert_int_equal(v2_choose_cipher(&unknown, both, 2, &cipher), V2_NO_CIPHER);
	assert_int_equal(cipher, 99);
}

static void agent_knows_what_it_offered(void **state _unused_)
{
	const struct v2_hello chacha = {.cipher_count = 1, .ciphers = {2}}, silent = {0};

	assert_true(v2_offers_cipher(&chacha, V2_CIPHER_CHACHA20_POLY1305));
	assert_false(v2_offers_cipher(&chacha, V2_CIPHER_AES_256_GCM));
	assert_true(v2_offers_cipher(&silent, V2_CIPHER_AES_256_GCM));
	assert_false(v2_offers_cipher(&silent, V2_CIPHER_CHACHA20_POLY1305));
	assert_false(v2_offers_cipher(&silent, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_number_is_fresh_once),
		cmocka_unit_test(left_of_the_window_all_is_old),
		cmocka_unit_test(window_never_forgets_within_its_length),
		cmocka_unit_test(three_generations_of_keys_are_known),
		cmocka_unit_test(ranges_join_and_the_oldest_are_forgotten),
		cmocka_unit_test(sessions_differ_and_end_with_their_worker),
		cmocka_unit_test(schemas_of_an_incarnation_do_not_change),
		cmocka_unit_test(incarnations_follow_each_other_and_none_comes_back),
		cmocka_unit_test(lossy_lan_is_filled),
		cmocka_unit_test(growing_queue_and_heavy_loss_shrink_the_window),
		cmocka_unit_test(probe_timeout_fits_a_lan),
		cmocka_unit_test(search_finds_what_each_path_carries),
		cmocka_unit_test(whole_ceiling_takes_one_probe),
		cmocka_unit_test(size_that_the_interface_refuses_is_not_tried_again),
		cmocka_unit_test(random_losses_are_no_black_hole),
		cmocka_unit_test(large_losses_in_a_row_are_a_black_hole),
		cmocka_unit_test(server_takes_the_agents_favourite_of_what_is_allowed),
		cmocka_unit_test(agent_knows_what_it_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
