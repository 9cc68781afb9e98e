-- SPDX-License-Identifier: BSD-2-Clause
--
-- Shows version 1 of netlambda's protocol (docs/protocol.md) in Wireshark and tshark:
--
--     tshark -X lua_script:netlambda.lua -i eth0 -f 'udp port 5000' -V
--
-- or copy it to ~/.local/lib/wireshark/plugins/. Datagrams that are in order are found on any port;
-- to see what is wrong with the others, "Decode As" netlambda, or -d udp.port==5000,netlambda. What
-- the server would refuse has the field netlambda.error, with the name the server counts it under.

local netlambda = Proto("netlambda", "netlambda, version 1")

local DATAGRAM_MAX = 1435
local SEQUENCE_MAX = 0x7fffffff
local EVENT_HEADER = 9

local names = { [1] = "port", [2] = "flow", [3] = "source", [4] = "target", [5] = "interface" }

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
	packets = ProtoField.uint32("netlambda.count_packets", "count"),
	size = ProtoField.uint64("netlambda.size", "size"),
	ifindex = ProtoField.uint32("netlambda.ifindex", "ifindex"),
	if_packets = ProtoField.uint64("netlambda.packets", "packets"),
	not_ip = ProtoField.uint64("netlambda.not_ip", "not_ip"),
	malformed = ProtoField.uint64("netlambda.malformed", "malformed"),
	flow_shed = ProtoField.uint64("netlambda.flow_shed", "flow_shed"),
	port_shed = ProtoField.uint64("netlambda.port_shed", "port_shed"),
}
local fields = {}
for _, field in pairs(f) do
	fields[#fields + 1] = field
end
netlambda.fields = fields

local refused = ProtoExpert.new("netlambda.refused", "The server refuses this datagram",
	expert.group.MALFORMED, expert.severity.ERROR)
netlambda.experts = { refused }

-- Payload layouts (docs/protocol.md 4): {field, octets}, in order.
local v4 = { { f.srcip, 4 }, { f.dstip, 4 } }
local v6 = { { f.srcip6, 16 }, { f.dstip6, 16 } }
local port = { { f.dstport, 4 }, { f.protocol, 4 }, { f.udp, 4 }, { f.syn, 4 }, { f.rst, 4 } }
local port_more = { { f.completed, 4 }, { f.refused, 4 } } -- unless both are 0
local flow = { { f.srcport, 2 }, { f.dstport, 2 }, { f.protocol, 4 }, { f.packets, 4 }, { f.size, 8 } }
local interface = { { f.ifindex, 4 }, { f.if_packets, 8 }, { f.size, 8 }, { f.not_ip, 8 },
	{ f.malformed, 8 }, { f.flow_shed, 8 }, { f.port_shed, 8 } }

local function fanout(address, octets, peers)
	return { { address, octets }, { f.first, 8 }, { f.last, 8 }, { f.if_packets, 8 }, { f.size, 8 },
		{ f.syn, 4 }, { f.udp, 4 }, { f.completed, 4 }, { peers, 4 }, { f.ports, 4 }, { f.ended, 1 } }
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
	[3] = { [57] = fanout(f.srcip, 4, f.hosts), [69] = fanout(f.srcip6, 16, f.hosts) },
	[4] = { [57] = fanout(f.dstip, 4, f.sources), [69] = fanout(f.dstip6, 16, f.sources) },
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
		local mapped = payload:len() == 69 and is_v4_mapped(payload(0, 16))
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

function netlambda.dissector(tvb, pinfo, root)
	local tree = root:add(netlambda, tvb())
	local err, info

	pinfo.cols.protocol = "netlambda"
	if is_ack(tvb) then
		info = show_ack(tree, tvb)
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

local function heuristic(tvb, pinfo, root)
	if not is_ack(tvb) and not looks_like_a_transaction(tvb) then
		return false
	end
	netlambda.dissector(tvb, pinfo, root)
	return true
end

netlambda:register_heuristic("udp", heuristic)
DissectorTable.get("udp.port"):add_for_decode_as(netlambda)
