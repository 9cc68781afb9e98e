// SPDX-License-Identifier: BSD-2-Clause
#include "base/allow_list.h"

int allow_calls(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i], 0, NULL);
	return r;
}

int allow_calls_where(scmp_filter_ctx filter, const struct allowed_where *rules, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct scmp_arg_cmp compare =
			SCMP_CMP64(rules[i].arg, SCMP_CMP_MASKED_EQ, rules[i].mask, rules[i].value);

		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, 1, &compare);
	}
	return r;
}
