-- SPDX-License-Identifier: BSD-2-Clause
--
-- Shows netlambda's protocol in Wireshark and tshark, both versions (docs/protocol-1.md, protocol-2.md):
--
--     tshark -X lua_script:netlambda.lua -i eth0 -f 'udp port 5005' -V
--
-- or copy it to ~/.local/lib/wireshark/plugins/. Datagrams of version 1 and unsealed ones of version 2
-- that are in order are found on any port, sealed ones on the server's (a preference) or where the
-- control channel spoke of their session; to see what is wrong with the others, "Decode As"
-- netlambda, or -d udp.port==5000,netlambda. What the server would refuse has the field
-- netlambda.error, with the name the server counts it under.
--
-- Of a sealed datagram the header is shown. With a key log, `netlambda decrypt` makes a capture of it
-- whose datagrams are open; this shows them to the last octet. The control channel is shown where
-- Wireshark can decrypt its TLS: the same key log is for it as well (-o tls.keylog_file:keys.log).

local netlambda = Proto("netlambda", "netlambda")
local control = Proto("netlambda_control", "netlambda, control channel")

local DATAGRAM_MAX = 1435
local SEQUENCE_MAX = 0x7fffffff
local EVENT_HEADER = 9
local SERVER_PORT = 5005

local names = { [1] = "port", [2] = "flow", [3] = "source", [4] = "target", [5] = "interface" }

local frames = { [1] = "PING", [2] = "EVENTS", [3] = "SHED", [4] = "ACK", [5] = "PROCESSED",
	[6] = "PATH_CHALLENGE", [7] = "PATH_RESPONSE" }
local lanes = { [0] = "urgent", [1] = "port", [2] = "last", [3] = "update" }
local causes = { [1] = "spool-full" }

local f = {
	version = ProtoField.uint8("netlambda.version", "Version"),
	switch = ProtoField.uint32("netlambda.switch", "Switch"),
	sequence = ProtoField.uint32("netlambda.sequence", "Sequence"),
	count = ProtoField.uint32("netlambda.count", "Events"),
	padding = ProtoField.bytes("netlambda.padding", "Padding"),
	ack = ProtoField.uint32("netlambda.ack", "Acknowledged sequence"),
	error = ProtoField.string("netlambda.error", "Refused"),
	length = ProtoField.uint32("netlambda.event.length", "Length"),
	id = ProtoField.uint32("netlambda.event.id", "Event", base.DEC, names),
	flag = ProtoField.uint8("netlambda.event.ack", "Wants an acknowledgement"),
	srcip = ProtoField.ipv4("netlambda.srcip", "srcip"),
	dstip = ProtoField.ipv4("netlambda.dstip", "dstip"),
	srcip6 = ProtoField.ipv6("netlambda.srcip6", "srcip"),
	dstip6 = ProtoField.ipv6("netlambda.dstip6", "dstip"),
	srcport = ProtoField.uint16("netlambda.srcport", "srcport"),
	dstport = ProtoField.uint32("netlambda.dstport", "dstport"),
	protocol = ProtoField.uint32("netlambda.protocol", "protocol"),
	udp = ProtoField.uint32("netlambda.udp", "udp"),
	syn = ProtoField.uint32("netlambda.syn", "syn"),
	rst = ProtoField.uint32("netlambda.rst", "rst"),
	completed = ProtoField.uint32("netlambda.completed", "completed"),
	refused = ProtoField.uint32("netlambda.refused", "refused"),
	first = ProtoField.uint64("netlambda.first", "first"),
	last = ProtoField.uint64("netlambda.last", "last"),
	hosts = ProtoField.uint32("netlambda.hosts", "hosts"),
	sources = ProtoField.uint32("netlambda.sources", "sources"),
	ports = ProtoField.uint32("netlambda.ports", "ports"),
	ended = ProtoField.uint8("netlambda.ended", "ended"),
	packets = ProtoField.uint64("netlambda.count_packets", "count"),
	size = ProtoField.uint64("netlambda.size", "size"),
	ifindex = ProtoField.uint32("netlambda.ifindex", "ifindex"),
	if_packets = ProtoField.uint64("netlambda.packets", "packets"),
	not_ip = ProtoField.uint64("netlambda.not_ip", "not_ip"),
	malformed = ProtoField.uint64("netlambda.malformed", "malformed"),
	shed = ProtoField.uint64("netlambda.shed", "shed"),
	flow_shed = ProtoField.uint64("netlambda.flow_shed", "flow_shed"),
	port_shed = ProtoField.uint64("netlambda.port_shed", "port_shed"),
	flags = ProtoField.uint8("netlambda.flags", "flags", base.HEX),
	-- Version 2.
	phase = ProtoField.uint8("netlambda.phase", "Key phase", base.DEC, nil, 0x30),
	reserved = ProtoField.uint8("netlambda.reserved", "Reserved", base.HEX, nil, 0x0f),
	session = ProtoField.uint64("netlambda.session", "Session", base.HEX),
	packet = ProtoField.uint64("netlambda.packet", "Packet"),
	sealed = ProtoField.bytes("netlambda.sealed", "Sealed frames"),
	tag = ProtoField.bytes("netlambda.tag", "Tag"),
	type = ProtoField.uint8("netlambda.frame.type", "Type", base.DEC, frames),
	frame_reserved = ProtoField.uint8("netlambda.frame.reserved", "Reserved", base.HEX),
	frame_length = ProtoField.uint16("netlambda.frame.length", "Length"),
	lane = ProtoField.uint8("netlambda.lane", "Lane", base.DEC, lanes, 0x03),
	schema = ProtoField.uint16("netlambda.schema", "Schema"),
	records = ProtoField.uint16("netlambda.events", "Records"),
	first_sequence = ProtoField.uint64("netlambda.events.sequence", "First sequence"),
	record = ProtoField.bytes("netlambda.record", "Record"),
	cause = ProtoField.uint8("netlambda.shed.cause", "Cause", base.DEC, causes),
	shed_first = ProtoField.uint64("netlambda.shed.sequence", "First sequence"),
	shed_count = ProtoField.uint64("netlambda.shed.count", "Sequences"),
	delay = ProtoField.uint32("netlambda.ack.delay", "The newest waited (us)"),
	largest = ProtoField.uint64("netlambda.ack.largest", "Newest packet"),
	range = ProtoField.string("netlambda.ack.range", "Packets"),
	before = ProtoField.uint64("netlambda.processed.before", "All processed below"),
	limit = ProtoField.uint64("netlambda.processed.limit", "Credit below"),
	path = ProtoField.uint64("netlambda.path", "Value", base.HEX),
}
local fields = {}
for _, field in pairs(f) do
	fields[#fields + 1] = field
end
netlambda.fields = fields

local refused = ProtoExpert.new("netlambda.refused", "The server refuses this datagram",
	expert.group.MALFORMED, expert.severity.ERROR)
netlambda.experts = { refused }

-- Payload layouts (docs/protocol-1.md 4): {field, octets}, in order.
local v4 = { { f.srcip, 4 }, { f.dstip, 4 } }
local v6 = { { f.srcip6, 16 }, { f.dstip6, 16 } }
local port = { { f.dstport, 4 }, { f.protocol, 4 }, { f.udp, 4 }, { f.syn, 4 }, { f.rst, 4 } }
local port_more = { { f.completed, 4 }, { f.refused, 4 } } -- unless both are 0
local flow = { { f.srcport, 2 }, { f.dstport, 2 }, { f.protocol, 4 }, { f.packets, 4 }, { f.size, 8 } }
local interface = { { f.ifindex, 4 }, { f.if_packets, 8 }, { f.size, 8 }, { f.not_ip, 8 },
	{ f.malformed, 8 }, { f.flow_shed, 8 }, { f.port_shed, 8 } }

local function fanout(address, octets, peers)
	return { { address, octets }, { f.first, 8 }, { f.last, 8 }, { f.if_packets, 8 }, { f.size, 8 },
		{ f.shed, 8 }, { f.syn, 4 }, { f.udp, 4 }, { f.completed, 4 }, { peers, 4 }, { f.ports, 4 }, { f.ended, 1 } }
end

local function concat(a, b)
	local all = {}
	for _, list in ipairs({ a, b }) do
		for _, item in ipairs(list) do
			all[#all + 1] = item
		end
	end
	return all
end

-- By event id and octets of payload.
local layouts = {
	[1] = {
		[28] = concat(v4, port), [36] = concat(concat(v4, port), port_more),
		[52] = concat(v6, port), [60] = concat(concat(v6, port), port_more),
	},
	[2] = { [28] = concat(v4, flow), [52] = concat(v6, flow) },
	[3] = { [65] = fanout(f.srcip, 4, f.hosts), [77] = fanout(f.srcip6, 16, f.hosts) },
	[4] = { [65] = fanout(f.dstip, 4, f.sources), [77] = fanout(f.dstip6, 16, f.sources) },
	[5] = { [52] = interface },
}

local function is_v4_mapped(range)
	return range(0, 12):bytes():tohex():upper() == "00000000000000000000FFFF"
end

local function payload_is_bad(id, payload)
	if id == 5 then
		return false
	end
	if id == 3 or id == 4 then
		local mapped = payload:len() == 77 and is_v4_mapped(payload(0, 16))
		return mapped or payload(payload:len() - 1, 1):uint() > 1
	end
	local addresses = payload:len() >= 52 and 32 or 8
	if addresses == 32 and is_v4_mapped(payload(0, 16)) and is_v4_mapped(payload(16, 16)) then
		return true
	end
	if id == 1 and payload(addresses, 4):uint() > 0xffff then
		return true
	end
	local more = id == 1 and (payload:len() == 36 or payload:len() == 60)
	if more and payload(payload:len() - 8, 4):uint() == 0 and
		payload(payload:len() - 4, 4):uint() == 0 then
		return true
	end
	return payload(addresses + 4, 4):uint() > 0xff
end

local function show_payload(tree, layout, payload)
	local at = 0
	for _, item in ipairs(layout) do
		tree:add(item[1], payload(at, item[2]))
		at = at + item[2]
	end
end

-- Shows the event at `at`; returns its length and flag, or nil and the error.
local function show_event(tree, tvb, at, number)
	if tvb:len() - at < EVENT_HEADER then
		return nil, "short"
	end
	local length, id, flag = tvb(at, 4):uint(), tvb(at + 4, 4):uint(), tvb(at + 8, 1):uint()
	local shown = math.max(EVENT_HEADER, math.min(length, tvb:len() - at))
	local event = tree:add(netlambda, tvb(at, shown),
		string.format("Event %d: %s", number, names[id] or id))

	event:add(f.length, tvb(at, 4))
	event:add(f.id, tvb(at + 4, 4))
	event:add(f.flag, tvb(at + 8, 1))
	if length < EVENT_HEADER then
		return nil, "bad-length"
	elseif flag > 1 then
		return nil, "bad-flag"
	elseif not layouts[id] then
		return nil, "unknown-event"
	end
	local layout = layouts[id][length - EVENT_HEADER]
	if not layout then
		return nil, "bad-length"
	elseif length > tvb:len() - at then
		return nil, "short"
	end
	local payload = tvb(at + EVENT_HEADER, length - EVENT_HEADER)
	show_payload(event, layout, payload)
	if payload_is_bad(id, payload) then
		return nil, "bad-payload"
	end
	return length, flag
end

local function all_zero(range)
	return not range:bytes():tohex():find("[^0]")
end

-- Shows the header; returns where the events begin, their number, and whether padding may follow; or
-- nil and the error.
local function show_header(tree, tvb)
	if tvb:len() < 1 then
		return nil, "short"
	end
	tree:add(f.version, tvb(0, 1))
	if tvb(0, 1):uint() ~= 1 then
		return nil, "bad-version"
	elseif tvb:len() < 10 then
		return nil, "short"
	end
	tree:add(f.switch, tvb(1, 4))
	tree:add(f.sequence, tvb(5, 4))
	local octets = tvb(9, 1):uint() == 0 and 4 or 1
	if tvb:len() < 9 + octets then
		return nil, "short"
	end
	local count = tvb(9, octets)
	tree:add(f.count, count)
	if count:uint() == 0 then
		return nil, "bad-count"
	end
	return 9 + octets, count:uint(), octets == 4
end

-- Shows all of it. Returns nil, or the name of the error for which the server refuses it, and in any
-- case a line for the packet list.
local function show_transaction(tree, tvb)
	if tvb:len() > DATAGRAM_MAX then
		return "long", "too long"
	end
	local at, count, padded = show_header(tree, tvb)
	if not at then
		return count, "no transaction"
	end
	local class
	local info = string.format("switch %d, sequence %d, %d event%s", tvb(1, 4):uint(),
		tvb(5, 4):uint(), count, count == 1 and "" or "s")

	for number = 1, count do
		local length, flag = show_event(tree, tvb, at, number)
		if not length then
			return flag, info
		elseif class and flag ~= class then
			return "mixed-flags", info
		end
		class = flag
		at = at + length
	end
	info = info .. (class == 1 and ", wants an acknowledgement" or "")
	if at < tvb:len() then
		tree:add(f.padding, tvb(at))
		if not padded or not all_zero(tvb(at)) then
			return "trailing", info
		end
	end
	local sequence = tvb(5, 4):uint()
	if class == 1 and (sequence == 0 or sequence > SEQUENCE_MAX) then
		return "bad-sequence", info
	end
	return nil, info
end

local function is_ack(tvb)
	return tvb:len() >= 4 and tvb(0, 4):string() == "ACK\n" and
		(tvb:len() == 4 or tvb:len() >= 8 and tvb(4, 4):uint() <= SEQUENCE_MAX) and
		(tvb:len() <= 8 or all_zero(tvb(8)))
end

local function show_ack(tree, tvb)
	local sequence = tvb:len() >= 8 and tvb(4, 4):uint() or 0
	local info = sequence == 0 and "acknowledgement without a sequence" or
		string.format("acknowledgement of sequence %d", sequence)

	if tvb:len() >= 8 then
		tree:add(f.ack, tvb(4, 4))
	end
	return info
end

---- version 2 ----

local TAG, HEADER, FRAME = 16, 16, 4
local SHORTEST, LONGEST = HEADER + FRAME + TAG, 8972
local NUMBER_MAX = UInt64.new(0xffffffff, 0x7fffffff)

-- The records of include/netlambda/event.h, in the machine's own order: {field, octets}, in order.
local record_port = { { f.dstport, 2 }, { f.protocol, 1 }, { nil, 5 }, { f.first, 8 }, { f.last, 8 },
	{ f.udp, 4 }, { f.syn, 4 }, { f.rst, 4 }, { f.completed, 4 }, { f.refused, 4 }, { nil, 4 } }
local record_flow = { { f.srcport, 2 }, { f.dstport, 2 }, { f.protocol, 1 }, { f.flags, 1 },
	{ f.ended, 1 }, { nil, 1 }, { f.first, 8 }, { f.last, 8 }, { f.packets, 8 }, { f.size, 8 } }
local record_interface = { { f.ifindex, 4 }, { nil, 4 }, { f.first, 8 }, { f.if_packets, 8 },
	{ f.size, 8 }, { f.not_ip, 8 }, { f.malformed, 8 }, { f.flow_shed, 8 }, { f.port_shed, 8 } }

local function record_fanout(peers)
	return { { f.first, 8 }, { f.last, 8 }, { f.if_packets, 8 }, { f.size, 8 }, { f.syn, 4 },
		{ f.udp, 4 }, { f.completed, 4 }, { peers, 4 }, { f.ports, 4 }, { f.ended, 1 }, { nil, 3 } }
end

-- By event id: octets, the addresses in front, the rest.
local record_layouts = {
	[1] = { 80, { { f.srcip, f.srcip6 }, { f.dstip, f.dstip6 } }, record_port },
	[2] = { 72, { { f.srcip, f.srcip6 }, { f.dstip, f.dstip6 } }, record_flow },
	[3] = { 72, { { f.srcip, f.srcip6 } }, record_fanout(f.hosts) },
	[4] = { 72, { { f.dstip, f.dstip6 } }, record_fanout(f.sources) },
	[5] = { 64, {}, record_interface },
}

-- What the control channel said: session (hex) -> list of {event id, octets}, from schema 0 on.
local schemas_of = {}

-- "1:80, 2:72": schemas for sessions whose HELLO was not seen.
local function parse_schemas(text)
	local list = {}
	for id, octets in text:gmatch("(%d+):(%d+)") do
		list[#list + 1] = { tonumber(id), tonumber(octets) }
	end
	return #list > 0 and list or nil
end

netlambda.prefs.port = Pref.uint("Server's UDP port", SERVER_PORT, "where sealed datagrams are looked for")
netlambda.prefs.schemas = Pref.string("Schemas", "",
	"of sessions whose HELLO is not in the capture: event id:octets, comma, ..., from schema 0 on")

local function show_record(tree, id, record)
	local layout, at = record_layouts[id], 0
	if not layout or layout[1] ~= record:len() then
		return
	end
	for _, fields in ipairs(layout[2]) do
		if is_v4_mapped(record(at, 16)) then
			tree:add(fields[1], record(at + 12, 4))
		else
			tree:add(fields[2], record(at, 16))
		end
		at = at + 16
	end
	for _, item in ipairs(layout[3]) do
		if item[1] then
			tree:add_le(item[1], record(at, item[2]))
		end
		at = at + item[2]
	end
end

local function ends_beyond(first, count)
	return first > NUMBER_MAX or count > NUMBER_MAX - first
end

-- Each shows a frame's body and returns nil and a line, or the name of the error.
local show_body = {}

show_body[1] = function(_, body)
	return body and "bad-frame" or nil, "PING"
end

show_body[2] = function(tree, body, lane, schemas)
	if not body or body:len() < 12 then
		return "bad-frame"
	end
	local schema, count, first = body(0, 2):uint(), body(2, 2):uint(), body(4, 8):uint64()
	tree:add(f.schema, body(0, 2))
	tree:add(f.records, body(2, 2))
	tree:add(f.first_sequence, body(4, 8))
	if count == 0 then
		return "bad-count"
	elseif schemas and not schemas[schema + 1] then
		return "bad-schema"
	elseif ends_beyond(first, UInt64(count)) then
		return "bad-sequence"
	end
	local id, octets = nil, (body:len() - 12) / count
	if schemas then
		id, octets = schemas[schema + 1][1], schemas[schema + 1][2]
	end
	if octets < 1 or octets > 256 or count * octets ~= body:len() - 12 then
		return "bad-frame"
	end
	for i = 0, count - 1 do
		local range = body(12 + i * octets, octets)
		local record = tree:add(f.record, range)
		record:set_text(string.format("Record %s: %s", tostring(first + i), names[id] or "event " .. (id or "?")))
		show_record(record, id, range)
	end
	return nil, string.format("EVENTS %s %s..%s (%s)", lane, tostring(first),
		tostring(first + count - 1), names[id] or id or "schema " .. schema)
end

show_body[3] = function(tree, body, lane)
	if not body or body:len() < 20 then
		return "bad-frame"
	end
	tree:add(f.cause, body(0, 1))
	tree:add(f.shed_first, body(4, 8))
	tree:add(f.shed_count, body(12, 8))
	local first, count = body(4, 8):uint64(), body(12, 8):uint64()
	if not causes[body(0, 1):uint()] then
		return "bad-cause"
	elseif count == UInt64(0) then
		return "bad-count"
	elseif ends_beyond(first, count) then
		return "bad-sequence"
	end
	return body:len() > 20 and "bad-frame" or nil, string.format("SHED %s %s..%s", lane,
		tostring(first), tostring(first + count - 1))
end

-- Takes one range off below `next`, the number that it may end before; returns where it begins.
local function show_range(tree, range, following, is_first)
	local gap, count = range(0, 4):uint(), range(4, 4):uint()
	if count == 0 or (gap == 0) ~= is_first or UInt64(gap) > following or
		UInt64(count) > following - gap then
		return nil
	end
	local begins, ends = following - gap - count, following - gap - 1
	local text = count == 1 and tostring(begins) or tostring(begins) .. "-" .. tostring(ends)
	tree:add(f.range, range, text)
	return begins, text
end

show_body[4] = function(tree, body)
	if not body or body:len() < 20 then
		return "bad-frame"
	end
	tree:add(f.delay, body(0, 4))
	tree:add(f.largest, body(4, 8))
	local count, texts = math.floor((body:len() - 12) / 8), {}
	if count > 64 then
		return "bad-frame"
	end
	local following = body(4, 8):uint64() + 1
	if following > NUMBER_MAX then
		return "bad-ranges"
	end
	for i = 1, count do
		following, texts[i] = show_range(tree, body(4 + 8 * i, 8), following, i == 1)
		if not following then
			return "bad-ranges"
		end
	end
	return body:len() > 12 + 8 * count and "bad-frame" or nil, "ACK " .. table.concat(texts, ",")
end

show_body[5] = function(tree, body, lane)
	if not body or body:len() < 20 then
		return "bad-frame"
	end
	tree:add(f.before, body(4, 8))
	tree:add(f.limit, body(12, 8))
	local before, limit = body(4, 8):uint64(), body(12, 8):uint64()
	if lane == "update" then
		return "bad-lane"
	elseif before > limit or limit > NUMBER_MAX then
		return "bad-sequence"
	end
	return body:len() > 20 and "bad-frame" or nil,
		string.format("PROCESSED %s <%s", lane, tostring(before))
end

local function show_path(name)
	return function(tree, body)
		if not body or body:len() < 12 then
			return "bad-frame"
		end
		tree:add(f.path, body(4, 8))
		return body:len() > 12 and "bad-frame" or nil, name
	end
end
show_body[6], show_body[7] = show_path("PATH_CHALLENGE"), show_path("PATH_RESPONSE")

-- Frames of the agent and of the server; others are of either.
local to_server = { [1] = true, [2] = true, [3] = true, [4] = false, [5] = false, [6] = false, [7] = true }
local with_lane = { [2] = true, [3] = true, [5] = true }

-- Shows the frame at `at`; returns where the next one begins and a line, or nil and the error.
local function show_frame(tree, text, at, upwards, schemas)
	if text:len() - at < FRAME then
		return nil, "bad-frame"
	end
	local kind, second, length = text(at, 1):uint(), text(at + 1, 1):uint(), text(at + 2, 2):uint()
	local shown = math.min(FRAME + length, text:len() - at)
	local frame = tree:add(netlambda, text(at, shown), frames[kind] or kind >= 128 and "PADDING" or "Unknown frame")

	frame:add(f.type, text(at, 1))
	if with_lane[kind] then
		frame:add(f.lane, text(at + 1, 1))
	end
	frame:add(f.frame_reserved, text(at + 1, 1), with_lane[kind] and second - second % 4 or second)
	frame:add(f.frame_length, text(at + 2, 2))
	if shown < FRAME + length then
		return nil, "bad-frame"
	elseif kind >= 128 then
		return at + shown, string.format("PADDING %d", length)
	elseif not show_body[kind] then
		return nil, "unknown-frame"
	end
	local err, line = show_body[kind](frame, length > 0 and text(at + FRAME, length) or nil,
		lanes[second % 4], schemas)
	if err then
		return nil, err
	elseif upwards ~= nil and to_server[kind] ~= upwards then
		return nil, "wrong-way"
	end
	frame:append_text(": " .. line)
	return at + shown, line
end

-- Shows all frames of what is open.
local function show_frames(tree, text, upwards, schemas)
	local at, lines = 0, {}
	while at < text:len() do
		local following, line = show_frame(tree, text, at, upwards, schemas)
		if not following then
			return line, table.concat(lines, ", ")
		end
		at = following
		lines[#lines + 1] = line
	end
	return nil, table.concat(lines, ", ")
end

local function session_of(tvb)
	return tvb(1, 7):bytes():tohex()
end

-- True, false, or nil: not to be told.
local function goes_up(pinfo)
	local from, to = pinfo.src_port == netlambda.prefs.port, pinfo.dst_port == netlambda.prefs.port
	if from == to then
		return nil
	end
	return to
end

local function show_packet(tree, tvb, pinfo)
	if tvb:len() < SHORTEST then
		return "short", "no packet"
	elseif tvb:len() > LONGEST then
		return "long", "too long"
	end
	tree:add(f.phase, tvb(0, 1))
	tree:add(f.reserved, tvb(0, 1))
	tree:add(f.session, tvb(1, 7))
	tree:add(f.packet, tvb(8, 8))
	local number = tvb(8, 8):uint64()
	local info = string.format("session %s, packet %s", session_of(tvb), tostring(number))
	if number > NUMBER_MAX then
		return "not-v2", info
	end
	local text, tag = tvb(HEADER, tvb:len() - HEADER - TAG), tvb(tvb:len() - TAG)
	tree:add(f.tag, tag)
	-- A tag of zeros is the null seal's, or that of `netlambda decrypt`.
	if not all_zero(tag) then
		tree:add(f.sealed, text)
		return nil, string.format("%s, sealed, %d octets", info, text:len())
	end
	local schemas = schemas_of[session_of(tvb)] or parse_schemas(netlambda.prefs.schemas)
	local err, line = show_frames(tree, text:tvb(), goes_up(pinfo), schemas)
	return err, info .. (line ~= "" and ": " .. line or "")
end

local function is_v2(tvb)
	return tvb:len() > 0 and bit32.band(tvb(0, 1):uint(), 0xc0) == 0x80
end

---- the control channel ----

local messages = { [1] = "HELLO", [2] = "WELCOME", [3] = "REFUSED" }
local ciphers = { [1] = "AES-256-GCM", [2] = "ChaCha20-Poly1305" }
local parameters = { [1] = "datagram_max", [2] = "schema", [3] = "ciphers", [4] = "cipher" }
local errors = { "short", "long", "not-v2", "unknown-session", "replayed", "too-old", "unsealed",
	"bad-frame", "unknown-frame", "wrong-way", "bad-lane", "bad-count", "bad-schema", "bad-sequence",
	"bad-cause", "bad-ranges", "ack-unsent", "over-credit", "bad-control", "bad-parameter",
	"no-version", "stale-epoch", "rolled-back", "no-cipher" }

local c = {
	type = ProtoField.uint8("netlambda_control.type", "Message", base.DEC, messages),
	length = ProtoField.uint16("netlambda_control.length", "Length"),
	version_min = ProtoField.uint8("netlambda_control.version_min", "Lowest version"),
	version_max = ProtoField.uint8("netlambda_control.version_max", "Highest version"),
	version = ProtoField.uint8("netlambda_control.version", "Version"),
	boot = ProtoField.uint64("netlambda_control.boot", "Boot", base.HEX),
	epoch = ProtoField.uint64("netlambda_control.epoch", "Epoch"),
	session = ProtoField.uint64("netlambda_control.session", "Session", base.HEX),
	before = ProtoField.uint64("netlambda_control.before", "All processed below"),
	limit = ProtoField.uint64("netlambda_control.limit", "Credit below"),
	error = ProtoField.uint8("netlambda_control.error", "Error", base.DEC, errors),
	parameter = ProtoField.uint16("netlambda_control.parameter", "Parameter", base.DEC, parameters),
	datagram_max = ProtoField.uint16("netlambda_control.datagram_max", "Largest datagram"),
	event = ProtoField.uint32("netlambda_control.schema.event", "Event", base.DEC, names),
	octets = ProtoField.uint16("netlambda_control.schema.octets", "Octets of a record"),
	hash = ProtoField.uint64("netlambda_control.schema.hash", "Hash of the description", base.HEX),
	cipher = ProtoField.uint8("netlambda_control.cipher", "Cipher", base.DEC, ciphers),
	value = ProtoField.bytes("netlambda_control.value", "Value"),
	body = ProtoField.bytes("netlambda_control.body", "Body"),
}
local control_fields = {}
for _, field in pairs(c) do
	control_fields[#control_fields + 1] = field
end
control.fields = control_fields

local tcp_stream = Field.new("tcp.stream")
local announced = {} -- TCP stream -> the schemas of its latest HELLO

local function show_parameter(tree, id, value, schemas)
	if id == 1 and value:len() == 2 then
		tree:add(c.datagram_max, value)
	elseif id == 2 and value:len() == 14 then
		tree:add(c.event, value(0, 4))
		tree:add(c.octets, value(4, 2))
		tree:add(c.hash, value(6, 8))
		schemas[#schemas + 1] = { value(0, 4):uint(), value(4, 2):uint() }
	elseif id == 3 or id == 4 then
		for i = 0, value:len() - 1 do
			tree:add(c.cipher, value(i, 1))
		end
	else
		tree:add(c.value, value)
	end
end

local function show_parameters(tree, body, at)
	local schemas = {}
	while at + 4 <= body:len() do
		local id, length = body(at, 2):uint(), math.min(body(at + 2, 2):uint(), body:len() - at - 4)
		local item = tree:add(control, body(at, 4 + length), "Parameter " .. (parameters[id] or id))
		item:add(c.parameter, body(at, 2))
		if length > 0 then
			show_parameter(item, id, body(at + 4, length), schemas)
		end
		at = at + 4 + length
	end
	return schemas
end

local show_message = {}

show_message[1] = function(tree, body)
	tree:add(c.version_min, body(0, 1))
	tree:add(c.version_max, body(1, 1))
	tree:add(c.boot, body(4, 8))
	tree:add(c.epoch, body(12, 8))
	announced[tcp_stream().value] = show_parameters(tree, body, 20)
end

show_message[2] = function(tree, body)
	tree:add(c.version, body(0, 1))
	tree:add(c.session, body(4, 8))
	tree:add(c.epoch, body(12, 8))
	for lane = 0, 3 do
		local item = tree:add(control, body(20 + 16 * lane, 16), "Lane " .. lanes[lane])
		item:add(c.before, body(20 + 16 * lane, 8))
		item:add(c.limit, body(28 + 16 * lane, 8))
	end
	schemas_of[body(5, 7):bytes():tohex()] = announced[tcp_stream().value]
	show_parameters(tree, body, 84)
end

show_message[3] = function(tree, body)
	tree:add(c.error, body(0, 1))
end

local shortest_body = { [1] = 20, [2] = 84, [3] = 1 }

local function dissect_message(tvb, pinfo, root)
	local kind, length = tvb(0, 1):uint(), tvb:len() - 4
	local name = messages[kind] or "message " .. kind
	local tree = root:add(control, tvb(), "netlambda, control channel: " .. name)

	tree:add(c.type, tvb(0, 1))
	tree:add(c.length, tvb(2, 2))
	if show_message[kind] and length >= shortest_body[kind] then
		show_message[kind](tree, tvb(4):tvb())
	elseif length > 0 then
		tree:add(c.body, tvb(4))
	end
	pinfo.cols.protocol = "netlambda"
	pinfo.cols.info:append(" " .. name)
	return tvb:len()
end

function control.dissector(tvb, pinfo, root)
	pinfo.cols.info:clear_fence()
	pinfo.cols.info = ""
	dissect_tcp_pdus(tvb, root, 4, function(bytes, _, at)
		return bytes(at + 2, 2):uint() + 4
	end, dissect_message)
	return tvb:len()
end

---- both versions ----

function netlambda.dissector(tvb, pinfo, root)
	local tree = root:add(netlambda, tvb())
	local err, info

	pinfo.cols.protocol = "netlambda"
	if is_ack(tvb) then
		info = show_ack(tree, tvb)
	elseif is_v2(tvb) then
		err, info = show_packet(tree, tvb, pinfo)
	else
		err, info = show_transaction(tree, tvb)
	end
	if err then
		tree:add(f.error, err):set_generated()
		tree:add_proto_expert_info(refused, "The server refuses this datagram: " .. err)
		info = info .. ", refused: " .. err
	end
	tree:append_text(": " .. info)
	pinfo.cols.info = info
	return tvb:len()
end

-- Strict, so that other protocols are left alone: the version, a count, and a first event that fits.
local function looks_like_a_transaction(tvb)
	if tvb:len() < 10 + EVENT_HEADER or tvb:len() > DATAGRAM_MAX or tvb(0, 1):uint() ~= 1 then
		return false
	end
	local at = tvb(9, 1):uint() == 0 and 13 or 10
	if tvb:len() < at + EVENT_HEADER then
		return false
	end
	local length, layout = tvb(at, 4):uint(), layouts[tvb(at + 4, 4):uint()]
	return layout ~= nil and length >= EVENT_HEADER and layout[length - EVENT_HEADER] ~= nil and
		tvb(at + 8, 1):uint() <= 1
end

-- A sealed packet is two bits and noise: somebody must have spoken of it. An open one has its zeros.
local function looks_like_a_packet(tvb, pinfo)
	if not is_v2(tvb) or tvb:len() < SHORTEST or tvb:len() > LONGEST then
		return false
	elseif goes_up(pinfo) ~= nil or schemas_of[session_of(tvb)] then
		return true
	end
	local kind, length = tvb(HEADER, 1):uint(), tvb(HEADER + 2, 2):uint()
	return all_zero(tvb(tvb:len() - TAG)) and (frames[kind] or kind >= 128) and
		HEADER + FRAME + length + TAG <= tvb:len()
end

local function heuristic(tvb, pinfo, root)
	if not is_ack(tvb) and not looks_like_a_transaction(tvb) and not looks_like_a_packet(tvb, pinfo) then
		return false
	end
	netlambda.dissector(tvb, pinfo, root)
	return true
end

netlambda:register_heuristic("udp", heuristic)
DissectorTable.get("udp.port"):add_for_decode_as(netlambda)
DissectorTable.get("tls.alpn"):add("netlambda/2", control)
