#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plants bugs in copies of src/wire/v2*, one at a time, and runs the simulation on each.

    tests/sim/mutants.py [--seeds N] [NAME...]

Prints for each mutant the seed that found it, or which of the other tests of src/wire does, or MISSED; and
totals. Not part of `./dev check`: it says how good the simulation is, not whether the code is right. A
mutant whose text is no longer in the source is an error: change it with the source.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-D_GNU_SOURCE", "-O1", "-std=gnu17", "-w", "-Isrc", "-Iinclude", "-I."]
NOT_SIMULATED = ["v2_aead.c", "v2_cipher_mb.c", "v2_cipher_openssl.c", "throughput.c"]
UNIT_TESTS = ["v2_bits", "v2_order", "v2_parts", "v2_resume", "v2_spool", "v2_talk", "v2_train"]

# (name, file of src/wire or with its directory, text, what it becomes)
MUTANTS = [
    ("an event that comes again is taken again", "v2_order.c",
     "uint64_t i = MAX(first, MIN(order->next, end)),", "uint64_t i = first,"),
    ("a late update is taken", "v2_updates.c", "	known = MIN(known, taken->count);\n", "	known = 0;\n"),
    ("spool memory is freed when received", "v2_spool.c",
     "	v2_bits_set(&spool->received, first, end);\n",
     "	v2_bits_set(&spool->received, first, end);\n"
     "	first = v2_bits_find(&spool->received, spool->head, spool->unsent, false);\n"
     "	spool->head_sequence = v2_spool_sequence(spool, first);\n	spool->head = first;\n"),
    ("WELCOME calls received events processed", "v2_receiver.c",
     "before[i] = r->lanes[i].base", "before[i] = r->lanes[i].next"),
    ("PROCESSED says what was handed out", "v2_receiver.c",
     "processed.before = r->lanes[lane].base", "processed.before = r->lanes[lane].taken"),
    ("a failed commit is not done again", "v2_order.c", "{\n	order->taken = order->base;\n}", "{\n}"),
    ("a new session does not send again", "v2_spool.c",
     "void v2_spool_rewind(struct v2_spool *spool)\n{\n",
     "void v2_spool_rewind(struct v2_spool *spool)\n{\n	return;\n"),
    ("lost packets are not sent again", "v2_spool.c", "		if (fresh == 0)\n			continue;\n", "		continue;\n"),
    ("the search for lost slots starts too late", "v2_spool.c",
     "MIN(spool->lost_from, first)", "MAX(spool->lost_from, first)"),
    ("a shed range is declared twice", "v2_spool.c", "	spool->shed_count = 0;\n}", "}"),
    ("an event overtakes the range before it", "v2_spool.c",
     "		v2_spool_settle(spool);\n		v2_places_put", "		v2_places_put"),
    ("a range and an event share a slot", "v2_spool.c",
     "return free_slots - MIN(free_slots, range);", "return free_slots;"),
    ("a shed event has no sequence", "v2_spool.c", "	spool->next_sequence += count;\n	v2_spool_settle", "	v2_spool_settle"),
    ("one event too many is freed", "v2_spool.c",
     "before - MIN(before, sequence)", "before + 1 - MIN(before + 1, sequence)"),
    ("acknowledgements reach one packet too far", "v2_frame.c",
     "ret_ranges[i].last = next - cursor_get_be32(&c) - 1;",
     "ret_ranges[i].last = next - cursor_get_be32(&c);"),
    ("neighbouring ranges are not joined", "v2_receiver.c", "	join_next(ranges, i);\n", ""),
    ("a packet that was refused is acknowledged", "v2_receiver.c",
     "	v2_replay_mark(&r->replay, header.packet);\n	error",
     "	v2_replay_mark(&r->replay, header.packet);\n	v2_ranges_add(&r->ranges, header.packet + 1);\n	error"),
    ("another incarnation is resumed", "v2_control.c", "mark->boot == hello->boot", "mark->boot != 0"),
    ("the epoch does not change", "v2_control.c", ".epoch = mark->epoch + 1", ".epoch = MAX(mark->epoch, 1)"),
    ("a closed incarnation comes back", "v2_control.c",
     "if (hello->epoch != 0) {", "if (hello->epoch > mark->epoch) {"),
    ("a new incarnation finds the old one's events", "v2_receiver.c",
     "bool resumed = receiver->epoch == mark->epoch;", "bool resumed = receiver->epoch != 0;"),
    ("a new session forgets what was received, but not its mark", "v2_receiver.c",
     "v2_order_begin(&r->lanes[i], mark->before[i])", "v2_order_begin(&r->lanes[i], 0)"),
    ("commits of an old incarnation count", "v2_receiver.c", "if (epoch != receiver->epoch)", "if (false)"),
    ("a new address is trusted", "v2_receiver.c",
     ".address = address,\n", ".address = address, .validated = true,\n"),
    ("an address may get three times what it sent", "v2_receiver.c",
     "<= r->path.bytes_in;", "<= 3 * r->path.bytes_in;"),
    ("any response validates", "v2_receiver.c", "value == r->path.challenge", "value != 0"),
    ("the sender ignores credit", "v2_sender_train.c", "s->limit[lane], max, ret_run", "UINT64_MAX, max, ret_run"),
    ("credit is one more than the window", "v2_order.c",
     "MIN(order->base + order->places.count,", "MIN(order->base + order->places.count + 1,"),
    ("only packets are waited for, not processing", "v2_sender.c",
     "if (s->lanes[i].head < s->lanes[i].unsent)\n", "if (false)\n"),
    ("black holes are not noticed", "v2_mtu.c",
     "		.size = V2_MTU_FLOOR,\n		.ceiling = mtu->ceiling,",
     "		.size = mtu->size,\n		.ceiling = mtu->ceiling,"),
    ("an unacknowledged event is sent twice", "v2_sender_train.c",
     "	if (lane == V2_LANE_UPDATE) {", "	if (false) {"),
    ("gaps are not counted", "v2_updates.c",
     "		if (taken.sequence > updates->taken) {", "		updates->taken = taken.sequence;\n		if (false) {"),
    ("a range counts as one event", "v2_order.c",
     "order->next += v2_places_span(&order->places, order->next).count;", "order->next++;"),
    ("records come from the neighbour", "v2_order.c",
     "records = v2_places_record(&order->places, at);", "records = v2_places_record(&order->places, at + 1);"),
    ("the replay window is not begun again", "v2_sender.c", "	sender->replay = (struct v2_replay){0};\n", ""),
    ("a packet number is used twice", "v2_receiver.c",
     "	r->next_packet++;\n", "	r->next_packet += r->next_packet % 7 != 3;\n"),
    ("the clock may go back", "v2_sender.c", "s->now_ns = MAX(s->now_ns, now_ns);", "s->now_ns = now_ns;"),
    ("an incarnation keeps its spool", "v2_sender.c", "		v2_spool_reset(lane);\n", ""),
    ("the next key phase is refused", "v2_seal.c", "	case 1:\n", "	case 9:\n"),
    ("replays are taken", "v2_seal.c", "? V2_REPLAY_SEEN", "? V2_REPLAY_FRESH"),
    ("idle sessions are not kept alive", "v2_sender_heard.c",
     "return s->eliciting_ns + KEEP_ALIVE_NS;", "return V2_NEVER;"),
    ("silence is not noticed", "v2_sender.c",
     "return v2_sender_owes(sender) && now_ns > sender->heard_ns + MIN(silence, SILENCE_MAX_NS);", "return false;"),
    ("retransmission ignores the order of schemas", "v2_places.c",
     "	while (n < max && kinds[n] == kinds[0])", "	while (n < max)"),
    ("the last event of a lost packet is not sent again", "v2_sender_heard.c",
     "sent->first[i], sent->count[i]);\n	sent->requeued",
     "sent->first[i], sent->count[i] - 1);\n	sent->requeued"),
    ("what was processed stays marked as present", "v2_order.c",
     "		v2_bits_clear(&order->present, order->base, base);\n", ""),
    ("a processed range stays one", "v2_order.c",
     "		v2_bits_clear(&order->ranges, order->base, base);\n", ""),
    ("a block of slots begins with another's sequence", "v2_spool.c",
     "= sequence + (index - spool->tail);", "= sequence;"),
    ("sequences of resent slots overlook ranges", "v2_spool.c",
     "	for (; ranges; ranges &= ranges - 1)\n", "	for (; false;)\n"),
    ("a run of lost slots goes on over received ones", "v2_spool.c",
     "*ret_end = v2_bits_find(&spool->lost, first, spool->unsent, false);", "*ret_end = spool->unsent;"),
    ("events of a run get the place of the first", "v2_order.c",
     "			v2_places_put(&order->places, i, ", "			v2_places_put(&order->places, first, "),
    ("what the agent gave up itself is not declared", "v2_sender.c",
     "	v2_spool_shed(&sender->lanes[lane], count);\n", "	(void)count;\n"),
    ("a server that was put back is not noticed", "v2_sender.c",
     "if (i < V2_LANES_ACKED && welcome->before[i] < s->lanes[i].processed)", "if (false)"),
    ("a session that was ended is answered", "v2_receiver.c",
     "void v2_receiver_close(struct v2_receiver *receiver)\n{\n	receiver->session = 0;\n", "void v2_receiver_close(struct v2_receiver *receiver)\n{\n	(void)receiver;\n"),
    ("a new session keeps the replay window", "v2_receiver.c", "	receiver->replay = (struct v2_replay){0};\n", ""),
    ("a new session goes on with packet numbers", "v2_receiver.c", "	receiver->next_packet = 0;\n", ""),
    ("a new session trusts the address of the one before", "v2_receiver.c",
     "	receiver->path = receiver->previous = (struct v2_path){0};\n", ""),
    ("an address that was never validated is gone back to", "v2_receiver.c",
     "		if (path.validated || r->previous.address == address)\n", ""),
    ("answers are not counted against an address", "v2_receiver.c",
     "	r->path.bytes_out += c->pos + V2_TAG_BYTES;\n", ""),
    ("a datagram that comes late moves the path", "v2_receiver.c",
     "note_path(r, address, header.packet >= expected, size);", "note_path(r, address, true, size);"),
    ("what the interface refuses is tried for ever", "v2_mtu.c",
     "	mtu->ceiling = bytes - 1;\n	if (mtu->size > mtu->ceiling)\n		mtu->size = V2_MTU_FLOOR;\n", ""),
    ("a gap takes the update behind it along", "v2_updates.c",
     "			updates->frames = before; /* what follows the gap is next */\n", ""),
    ("updates that are lost are called processed by none", "v2_updates.c",
     "	updates->base = MAX(updates->base, MIN(before, updates->taken));\n", "	updates->base = before + 1;\n"),
    ("control: the agent asks while it waits for an answer", "v2_control_agent.c",
     "	if (agent->hello_due || agent->waiting)\n", "	if (agent->hello_due)\n"),
    ("control: the agent waits for ever", "v2_control_agent.c", "	a->waiting = false;\n", ""),
    ("control: schemas are not described", "v2_control_agent.c",
     "	a->descriptions_due |= due;\n", ""),
    ("control: one schema is described", "v2_control_agent.c",
     "	a->descriptions_due &= a->descriptions_due - 1;\n", "	a->descriptions_due = 0;\n"),
    ("control: another schema is described", "v2_control_agent.c",
     "	uint16_t index = (uint16_t)__builtin_ctz(a->descriptions_due);\n",
     "	uint16_t index = (uint16_t)(31 - __builtin_clz(a->descriptions_due));\n"),
    ("control: settings are not answered", "v2_control_agent.c",
     "		.generation = agent->settings.generation, .status = status};\n	agent->result_due = true;",
     "		.generation = agent->settings.generation, .status = status};"),
    ("control: bad settings are applied", "v2_control_agent.c",
     "	if (a->result_due)\n		return V2_OK;\n", ""),
    ("control: an agent is admitted before its schemas are known", "v2_control_server.c",
     "	if (s->missing == 0)\n		ask_caller(s, event);\n	else\n", "	ask_caller(s, event);\n	if (false)\n"),
    ("control: all schemas are taken for known when one came", "v2_control_server.c",
     "		s->missing &= ~(1U << i);\n", "		s->missing = 0;\n"),
    ("control: settings are sent once", "v2_control_server.c",
     "	       s->settings.generation != s->sent_generation;", "	       s->sent_generation == 0;"),
    ("control: settings are sent without end", "v2_control_server.c",
     "		s->sent_generation = s->settings.generation;\n", ""),
    ("control: the answer to other settings counts", "v2_control_server.c",
     "return server->result.generation == server->settings.generation;", "return server->result.generation != 0 || server->settings.generation == 0;"),
    ("control: a dead connection is not found dead", "v2_alive.c",
     "	if (now_ns >= alive->heard_ns + alive->config.dead_ns)\n		return true;\n", ""),
    ("control: nobody asks whether the peer is there", "v2_alive.c",
     "	return !alive->pinged && now_ns", "	return false && now_ns"),
    ("control: PING is not answered", "v2_alive.c", "	alive->pong_due = true;\n", ""),
    ("control: the peer's last word is overlooked", "v2_control_agent.c",
     "		event->type = V2_CONTROL_LEFT;\n", ""),
    ("control: a session outlives its time", "v2_lease.c",
     "return lease->begun_ns != NEVER && now_ns >= end_of(lease);", "return false;"),
    ("control: a session is not renewed", "v2_lease.c",
     "return lease->begun_ns != NEVER && now_ns >= lease->renew_at_ns;", "return false;"),
    ("control: no time of grace", "v2_lease.c",
     "lease->lost_ns + lease->config.grace_ns", "lease->lost_ns"),
    ("resumed: sequences begin one too high", "v2_spool.c",
     "spool->next_sequence = first;", "spool->next_sequence = first + 1;"),
    ("resumed: nothing was sent before", "v2_spool.c", "	spool->sent_end = sent_end;\n", "	spool->sent_end = first;\n"),
    ("resumed: nothing was processed before", "v2_spool.c", "	spool->processed = first;\n", ""),
    ("resumed: the epoch is not known", "v2_sender.c", "	sender->epoch = life->epoch;\n", ""),
    ("resumed: updates begin anew", "v2_sender.c",
     "		v2_spool_resume(&sender->lanes[i], life->first[i], life->sent_end[i]);\n",
     "		if (i < V2_LANES_ACKED)\n			v2_spool_resume(&sender->lanes[i], life->first[i], life->sent_end[i]);\n"),
    ("resumed: what is processed is sent again", "v2_spool.c",
     "	if (passed > 0) {\n", "	passed = 0;\n	if (false) {\n"),
    ("resumed: what is passed over keeps its sequences", "v2_spool.c",
     "		spool->next_sequence += passed;\n", ""),
    ("resumed: events get the bytes of those that were passed over", "v2_spool.c",
     "(const uint8_t *)records + passed * size", "(const uint8_t *)records"),
    ("resumed: ranges are joined", "v2_spool.c",
     "	spool->next_sequence += count;\n	v2_spool_settle(spool);\n", "	spool->next_sequence += count;\n"),
    ("resumed: a range that waits is declared from before the mark", "v2_spool.c", "	cut_shed(spool, before);\n", ""),
    ("an agent does not keep its epoch", "tests/sim/agent.c",
     "	agent->journal.epoch = agent->journaled ? message->epoch : agent->journal.epoch;\n", ""),
    ("an agent does not keep how far its updates have come", "tests/sim/agent.c",
     "		agent->journal.update_sequence = agent->sender.lanes[V2_LANE_UPDATE].next_sequence;\n", "		;\n"),
    ("an agent keeps what was sent of its updates, one short", "tests/sim/agent.c",
     "agent->journal.update_sequence = agent->sender.lanes[V2_LANE_UPDATE].next_sequence;\n",
     "agent->journal.update_sequence = agent->sender.lanes[V2_LANE_UPDATE].next_sequence - 1;\n"),
    ("an agent drops what is not processed", "tests/sim/journal.c",
     "uint64_t processed = agent->sender.lanes[i].processed;", "uint64_t processed = agent->sender.lanes[i].sent_end;"),
    ("an agent does not hand over what is processed", "tests/sim/journal.c",
     "		uint64_t processed = agent->sender.lanes[i].processed;\n",
     "		uint64_t processed = agent->sender.lanes[i].processed;\n"
     "		while (lane->copied < lane->head && element_at(lane, lane->copied)->sequence < processed)\n"
     "			lane->copied++;\n"),
    ("an agent that gives up keeps its lanes", "tests/sim/agent.c",
     "	if (agent->journaled)\n		sim_journal_clear(&agent->journal);\n	if (dies",
     "	agent->journal.epoch = 0;\n	if (dies"),
    ("control: two sessions have one number", "v2_receiver.c",
     "	receiver->next_session = 0;\n", ""),
    ("control: another number than the keys are of", "v2_receiver.c",
     "	receiver->session = v2_receiver_next_session(receiver);\n",
     "	receiver->session = v2_receiver_next_session(receiver) ^ 0x100;\n"),
]


def compile_file(tree, source, target):
    subprocess.run(["gcc", *FLAGS, "-c", source, "-o", target], cwd=tree, check=True)


def sources(tree):
    found = [*tree.glob("src/wire/v2*.c"), *tree.glob("tests/sim/*.c")]
    paths = [path for path in found if path.name not in NOT_SIMULATED]
    paths += [tree / "src/base/siphash.c", tree / "src/base/clock.c"]
    return {path.relative_to(tree): tree / (path.stem + ".o") for path in sorted(paths)}


def source_of(file):
    return pathlib.Path(file if "/" in file else f"src/wire/{file}")


def plant(tree, name, file, text, becomes):
    path = tree / source_of(file)
    source = path.read_text()
    if source.count(text) != 1:
        sys.exit(f"{name}: {file} has the text {source.count(text)} times, not once: {text!r}")
    path.write_text(source.replace(text, becomes))
    return source


def link(objects, target, *options):
    subprocess.run(["gcc", *map(str, objects), "-o", target, *options], check=True)


def ends_badly(command, seconds):
    """What a program says when it fails; "hangs"; None if it does not fail."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode == 0:
        return None
    found = re.search(r"^seed .*$", done.stdout, re.MULTILINE)
    return found[0] if found else f"ends with {done.returncode}"


class Others:
    """The other tests of src/wire, for what the simulation does not find: how fast it is, and parts alone."""

    def __init__(self, tree):
        self.tree = tree
        self.objects = {}
        for name in UNIT_TESTS:
            self.objects[name] = tree / f"test_{name}.o"
            compile_file(tree, f"tests/unit/wire/test_{name}.c", self.objects[name])
        self.objects["throughput"] = tree / "throughput.o"
        compile_file(tree, "tests/sim/throughput.c", self.objects["throughput"])

    def find(self, objects):
        core = [target for source, target in objects.items() if source.parts[0] == "src"]
        for name, target in self.objects.items():
            link([target, *core], self.tree / "other", "-lcmocka")
            if ends_badly([self.tree / "other"], 60):
                return "the throughput" if name == "throughput" else f"unit/wire/{name}"
        return None


def try_mutant(tree, objects, others, seeds, mutant):
    original = plant(tree, *mutant)
    source = source_of(mutant[1])
    compile_file(tree, source, objects[source])
    link(objects.values(), tree / "sim")
    how = ends_badly([tree / "sim", "--first", "1", "--seeds", str(seeds)], 300)
    other = None if how else others.find(objects)
    (tree / source).write_text(original)
    compile_file(tree, source, objects[source])
    if how:
        print(f"found   {mutant[0]}: {how}", flush=True)
    else:
        print(f"{'other ' if other else 'MISSED'}  {mutant[0]}{': ' + other if other else ''}", flush=True)
    return "found" if how else "other" if other else "missed"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8000)
    parser.add_argument("names", nargs="*", help="only mutants whose name contains one of these")
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if not arguments.names or any(n in m[0] for n in arguments.names)]
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        for part in ("src/wire", "src/base", "tests/sim", "tests/unit", "include"):
            shutil.copytree(TOP / part, tree / part)
        objects = sources(tree)
        for source, target in objects.items():
            compile_file(tree, source, target)
        others = Others(tree)
        results = [try_mutant(tree, objects, others, arguments.seeds, mutant) for mutant in chosen]
    print(f"{results.count('found')} of {len(chosen)} mutants found with {arguments.seeds} seeds, "
          f"{results.count('other')} more by other tests of src/wire")
    return os.EX_OK if "missed" not in results else 1


if __name__ == "__main__":
    sys.exit(main())
