// SPDX-License-Identifier: BSD-2-Clause
#include "agent/pinned_maps.h"

#include "base/fd.h"
#include "base/siphash.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#define NESTING_MAX 16 /* types within types; ours have five or so */

static enum pin_group group_of(const struct bpf_map *map)
{
	static const struct {
		const char *prefix;
		enum pin_group group;
	} prefixes[] = {
		{"flow_", PIN_FLOWS},
		{"ports", PIN_PORTS},
		{"interfaces", PIN_INTERFACES},
		{"handshakes", PIN_HANDSHAKES},
	};
	const char *name = bpf_map__name(map);

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(name, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
			return prefixes[i].group;
	return PIN_FANOUT;
}

/* ---- fingerprints ---- */

static void mix(uint64_t *hash, const void *bytes, size_t size)
{
	/* No secret: the same build must find the same again. */
	const struct siphash_key key = {.k0 = *hash, .k1 = 0x70696e6e65646d61};

	*hash = siphash(&key, bytes, size);
}

static void mix_number(uint64_t *hash, uint64_t number)
{
	mix(hash, &number, sizeof(number));
}

static void mix_string(uint64_t *hash, const char *text)
{
	mix(hash, text, strlen(text));
}

static void mix_type(uint64_t *hash, const struct btf *btf, int id, int nesting);

static void mix_members(
	uint64_t *hash, const struct btf *btf, const struct btf_type *type, int nesting)
{
	const struct btf_member *members = btf_members(type);

	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		mix_string(hash, btf__name_by_offset(btf, members[i].name_off));
		mix_number(hash, btf_member_bit_offset(type, i));
		mix_number(hash, btf_member_bitfield_size(type, i));
		mix_type(hash, btf, (int)members[i].type, nesting + 1);
	}
}

/* What is where, by name; what a type is called makes no difference. */
static void mix_type(uint64_t *hash, const struct btf *btf, int id, int nesting)
{
	const int resolved = btf__resolve_type(btf, (uint32_t)id);
	const struct btf_type *type =
		resolved < 0 ? NULL : btf__type_by_id(btf, (uint32_t)resolved);

	if (!type || nesting > NESTING_MAX)
		return;
	mix_number(hash, btf_kind(type));
	mix_number(hash, (uint64_t)btf__resolve_size(btf, (uint32_t)resolved));
	if (btf_is_array(type)) {
		mix_number(hash, btf_array(type)->nelems);
		mix_type(hash, btf, (int)btf_array(type)->type, nesting + 1);
	} else if (btf_is_composite(type)) {
		mix_members(hash, btf, type, nesting);
	}
}

static void mix_map(uint64_t *hash, const struct btf *btf, const struct bpf_map *map)
{
	mix_string(hash, bpf_map__name(map));
	mix_number(hash, bpf_map__type(map));
	mix_number(hash, bpf_map__key_size(map));
	mix_number(hash, bpf_map__value_size(map));
	mix_number(hash, bpf_map__map_flags(map));
	mix_type(hash, btf, (int)bpf_map__btf_key_type_id(map), 0);
	mix_type(hash, btf, (int)bpf_map__btf_value_type_id(map), 0);
}

/* How words are packed that BTF shows as mere numbers. */
static void mix_packing(struct pin_layout *layout)
{
	static const uint64_t flows[] = {FLOW_WAYS, FLOW_TICK_BITS, FLOW_BIRTH_BITS};

	mix(&layout->shapes[PIN_FLOWS], flows, sizeof(flows));
}

int pinned_maps_layout(
	const struct bpf_object *object, uint64_t salt, struct pin_layout *ret_layout)
{
	const struct btf *btf = bpf_object__btf(object);
	struct pin_layout layout = {.whole = salt};
	struct bpf_map *map;

	if (!btf)
		return -ENOENT;
	mix_packing(&layout);
	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__is_internal(map))
			continue;
		mix_map(&layout.shapes[group_of(map)], btf, map);
		mix_number(&layout.whole, bpf_map__max_entries(map));
	}
	mix(&layout.whole, layout.shapes, sizeof(layout.shapes));
	*ret_layout = layout;
	return 0;
}

/* ---- taking and putting ---- */

int pinned_maps_use(struct bpf_object *object, const struct pin_set *set, uint32_t groups)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		_cleanup_fd_ int fd = -1;
		int r;

		if (bpf_map__is_internal(map) || !(groups & 1U << group_of(map)))
			continue;
		fd = pin_set_get(set, bpf_map__name(map));
		r = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

int pinned_maps_put(const struct bpf_object *object, struct pin_set *set)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		int r = bpf_map__is_internal(map)
				? 0
				: pin_set_put(set, bpf_map__name(map), bpf_map__fd(map));

		if (r < 0)
			return r;
	}
	return 0;
}
