// SPDX-License-Identifier: BSD-2-Clause
/* The parts of version 2's ends; the ends themselves are tested by tests/sim. */
#include "tests/unit/test.h"
#include "wire/v2_congestion.h"
#include "wire/v2_control.h"
#include "wire/v2_mtu.h"
#include "wire/v2_order.h"
#include "wire/v2_receiver.h"
#include "wire/v2_seal.h"
#include "wire/v2_spool.h"

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

/* ---- spool ---- */

static void full_spool_sheds_the_newest_as_one_range(void **state _unused_)
{
	struct v2_spool spool;
	uint32_t record = 0;

	assert_int_equal(v2_spool_init(&spool, 4, sizeof(record)), 0);
	for (record = 0; record < 10; record++)
		assert_int_equal(v2_spool_push(&spool, 0, &record, sizeof(record)), record < 4);
	assert_int_equal(spool.shed_total, 6);
	for (uint64_t i = 0; i < 4; i++)
		v2_spool_sent(&spool, i, i);
	v2_spool_processed(&spool, 2);
	/* Room again: the range takes its place before the next event. */
	assert_true(v2_spool_push(&spool, 0, &record, sizeof(record)));
	assert_int_equal(v2_spool_slot(&spool, 4)->cause, V2_CAUSE_SPOOL_FULL);
	assert_int_equal(v2_spool_slot(&spool, 4)->sequence, 4);
	assert_int_equal(v2_spool_slot(&spool, 4)->count, 6);
	assert_int_equal(v2_spool_slot(&spool, 5)->sequence, 10);
	v2_spool_done(&spool);
}

static void received_events_stay_until_processed(void **state _unused_)
{
	struct v2_spool spool;
	uint32_t record = 0;

	assert_int_equal(v2_spool_init(&spool, 4, sizeof(record)), 0);
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(v2_spool_push(&spool, 0, &record, sizeof(record)));
		v2_spool_sent(&spool, i, i);
		v2_spool_received(&spool, i);
	}
	assert_int_equal(v2_spool_next(&spool), 3);
	/* The server's next life knows nothing of what was only received. */
	v2_spool_rewind(&spool);
	assert_int_equal(v2_spool_next(&spool), 0);
	v2_spool_processed(&spool, 3);
	assert_true(v2_spool_empty(&spool));
	v2_spool_done(&spool);
}

static void only_the_last_packet_of_an_event_can_lose_it(void **state _unused_)
{
	struct v2_spool spool;
	uint32_t record = 0;

	assert_int_equal(v2_spool_init(&spool, 4, sizeof(record)), 0);
	assert_true(v2_spool_push(&spool, 0, &record, sizeof(record)));
	v2_spool_sent(&spool, 0, 7);
	v2_spool_lost(&spool, 0, 7);
	assert_int_equal(v2_spool_next(&spool), 0);
	v2_spool_sent(&spool, 0, 8);
	v2_spool_lost(&spool, 0, 7);
	assert_int_equal(v2_spool_next(&spool), 1);
	v2_spool_done(&spool);
}

/* ---- order ---- */

static struct v2_frame events(uint64_t sequence, uint16_t count)
{
	static const uint8_t records[64];
	struct v2_frame frame = {.type = V2_FRAME_EVENTS};

	frame.events.count = count;
	frame.events.record_bytes = 4;
	frame.events.sequence = sequence;
	frame.events.records = records;
	return frame;
}

static void put(struct v2_order *order, uint64_t sequence, uint16_t count)
{
	struct v2_frame frame = events(sequence, count);

	assert_true(v2_order_admits(order, &frame));
	v2_order_put(order, &frame);
}

static uint64_t take_all(struct v2_order *order)
{
	struct v2_taken taken;

	while (v2_order_take(order, &taken))
		;
	return order->taken;
}

static void events_are_handed_out_in_order_and_once(void **state _unused_)
{
	struct v2_order order;

	assert_int_equal(v2_order_init(&order, 8, 4, true), 0);
	v2_order_begin(&order, 0);
	put(&order, 2, 2);
	assert_int_equal(take_all(&order), 0);
	put(&order, 0, 2);
	assert_int_equal(take_all(&order), 4);
	put(&order, 1, 4);
	assert_int_equal(order.duplicates, 3);
	assert_int_equal(take_all(&order), 5);
	v2_order_done(&order);
}

static void abandoned_events_come_again(void **state _unused_)
{
	struct v2_order order;
	struct v2_taken taken;

	assert_int_equal(v2_order_init(&order, 8, 4, true), 0);
	v2_order_begin(&order, 10);
	put(&order, 10, 4);
	assert_int_equal(take_all(&order), 14);
	v2_order_commit(&order, 12);
	v2_order_abandon(&order);
	assert_true(v2_order_take(&order, &taken));
	assert_int_equal(taken.sequence, 12);
	v2_order_done(&order);
}

static void credit_ends_a_window_after_what_is_processed(void **state _unused_)
{
	struct v2_order order;
	struct v2_frame frame = events(7, 2);

	assert_int_equal(v2_order_init(&order, 8, 4, true), 0);
	v2_order_begin(&order, 0);
	assert_int_equal(v2_order_limit(&order), 8);
	assert_false(v2_order_admits(&order, &frame));
	put(&order, 0, 8);
	assert_int_equal(take_all(&order), 8);
	assert_int_equal(v2_order_limit(&order), 8);
	v2_order_commit(&order, 8);
	assert_int_equal(v2_order_limit(&order), 16);
	v2_order_done(&order);
}

static void gaps_of_the_unacknowledged_lane_are_counted_exactly(void **state _unused_)
{
	struct v2_order order;
	struct v2_taken taken;

	assert_int_equal(v2_order_init(&order, 8, 4, false), 0);
	v2_order_begin(&order, 0);
	put(&order, 0, 1);
	put(&order, 1000000, 1); /* further than the window is long */
	put(&order, 500, 1);     /* too late */
	assert_int_equal(order.lost, 999999);
	assert_int_equal(order.events, 2);
	assert_int_equal(order.duplicates, 1);
	assert_true(v2_order_take(&order, &taken));
	assert_true(v2_order_take(&order, &taken));
	assert_int_equal(taken.cause, V2_CAUSE_PATH);
	assert_int_equal(taken.count, 999999);
	assert_true(v2_order_take(&order, &taken));
	assert_int_equal(taken.sequence, 1000000);
	v2_order_done(&order);
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
	const struct v2_receiver_config config = {.window = {2, 2, 2, 2},
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

		v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome);
		assert_int_equal(welcome.session & 0xff, 0xa7);
		assert_true(welcome.session > 0xff && welcome.session <= V2_SESSION_MAX);
		assert_int_not_equal(welcome.session, before);
		before = welcome.session;
	}
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

/* Probes a path that carries `carries`; returns how many probes it took. */
static unsigned int search(struct v2_mtu *mtu, uint32_t carries)
{
	unsigned int probes = 0;

	while (v2_mtu_probe_due(mtu, 0)) {
		uint32_t size = v2_mtu_probe(mtu);

		assert_in_range(size, V2_MTU_FLOOR + 1, mtu->ceiling);
		assert_in_range(++probes, 1, 100);
		if (size <= carries)
			v2_mtu_acked(mtu, size, true);
		else
			assert_false(v2_mtu_lost(mtu, size, true));
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

static void large_losses_in_a_row_are_a_black_hole(void **state _unused_)
{
	struct v2_mtu mtu;

	v2_mtu_init(&mtu, 1472);
	search(&mtu, 1472);
	for (int i = 0; i < 7; i++)
		assert_false(v2_mtu_lost(&mtu, 1472, false));
	v2_mtu_acked(&mtu, 1472, false);
	for (int i = 0; i < 7; i++)
		assert_false(v2_mtu_lost(&mtu, 1472, false));
	/* What small datagrams do says nothing. */
	v2_mtu_acked(&mtu, 100, false);
	assert_false(v2_mtu_lost(&mtu, 100, false));
	assert_true(v2_mtu_lost(&mtu, 1472, false));
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
		cmocka_unit_test(full_spool_sheds_the_newest_as_one_range),
		cmocka_unit_test(received_events_stay_until_processed),
		cmocka_unit_test(only_the_last_packet_of_an_event_can_lose_it),
		cmocka_unit_test(events_are_handed_out_in_order_and_once),
		cmocka_unit_test(abandoned_events_come_again),
		cmocka_unit_test(credit_ends_a_window_after_what_is_processed),
		cmocka_unit_test(gaps_of_the_unacknowledged_lane_are_counted_exactly),
		cmocka_unit_test(ranges_join_and_the_oldest_are_forgotten),
		cmocka_unit_test(sessions_differ_and_end_with_their_worker),
		cmocka_unit_test(incarnations_follow_each_other_and_none_comes_back),
		cmocka_unit_test(lossy_lan_is_filled),
		cmocka_unit_test(growing_queue_and_heavy_loss_shrink_the_window),
		cmocka_unit_test(probe_timeout_fits_a_lan),
		cmocka_unit_test(search_finds_what_each_path_carries),
		cmocka_unit_test(whole_ceiling_takes_one_probe),
		cmocka_unit_test(large_losses_in_a_row_are_a_black_hole),
		cmocka_unit_test(server_takes_the_agents_favourite_of_what_is_allowed),
		cmocka_unit_test(agent_knows_what_it_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
