// SPDX-License-Identifier: BSD-2-Clause
#include "agent/tunnels.h"

#include "base/error.h"
#include "base/suggest.h"
#include "parse_types.bpf.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {"ipip", "6in4", "gre", "vxlan", "geneve", "gtp", "all", "none"};
static const uint32_t kinds[] = {TUNNEL_IPIP, TUNNEL_6IN4, TUNNEL_GRE, TUNNEL_VXLAN, TUNNEL_GENEVE,
	TUNNEL_GTPU, TUNNEL_ALL, TUNNEL_NONE};
_Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(kinds), "each name has its kind");

static int unknown(const char *word, char **ret_error)
{
	const char *near = suggest_nearest(word, names, ARRAY_SIZE(names));

	return error_set(ret_error, -EINVAL,
		"\"%s\" is no tunnel: expected ipip, 6in4, gre, vxlan, geneve, gtp, all or "
		"none%s%s%s",
		word, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

int tunnels_parse(const char *list, uint32_t *ret_inside, char **ret_error)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	uint32_t inside = 0;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ",")) != NULL) {
		size_t i = 0;

		while (i < ARRAY_SIZE(names) && strcmp(word, names[i]) != 0)
			i++;
		if (i == ARRAY_SIZE(names))
			return unknown(word, ret_error);
		inside |= kinds[i];
	}
	*ret_inside = inside;
	return 0;
}
