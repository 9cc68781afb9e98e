// SPDX-License-Identifier: BSD-2-Clause
#include "base/number.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

int number_take(const char *text, uint64_t *ret_value, const char **ret_rest)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -EINVAL;
	if (at == text)
		return -EINVAL;
	*ret_value = value;
	*ret_rest = at;
	return 0;
}

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	const char *rest = "";
	uint64_t value = 0;

	if (number_take(text, &value, &rest) < 0 || *rest || value < min || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int number32_parse(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value)
{
	uint64_t value = 0;
	int r = number_parse(text, min, max, &value);

	if (r == 0)
		*ret_value = (uint32_t)value;
	return r;
}

int duration_parse(const char *text, uint64_t min_ns, uint64_t max_ns, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"us", NS_PER_US},
		{"ms", NS_PER_MS},
		{"s", NS_PER_SEC},
		{"m", 60 * NS_PER_SEC},
		{"h", 3600 * NS_PER_SEC},
		{"d", 86400 * NS_PER_SEC},
	};
	const char *unit = "";
	uint64_t value = 0;
	size_t i = 0;

	if (number_take(text, &value, &unit) < 0)
		return -EINVAL;
	while (i < ARRAY_SIZE(units) && strcmp(unit, units[i].name) != 0)
		i++;
	if (i == ARRAY_SIZE(units) || __builtin_mul_overflow(value, units[i].ns, &value) ||
		value < min_ns || value > max_ns)
		return -EINVAL;
	*ret_ns = value;
	return 0;
}

/* The power of two that a unit stands for; -1: it is none. */
static int unit_shift(const char *unit)
{
	static const char letters[] = "KMGT";
	const char *letter = *unit ? strchr(letters, *unit) : NULL;

	if (!*unit)
		return 0;
	if (!letter || (strcmp(unit + 1, "") != 0 && strcmp(unit + 1, "i") != 0 &&
			       strcmp(unit + 1, "iB") != 0))
		return -1;
	return 10 * (int)(letter - letters + 1);
}

int size_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes)
{
	const char *unit = "";
	uint64_t value = 0;
	int shift;

	if (number_take(text, &value, &unit) < 0)
		return -EINVAL;
	shift = unit_shift(unit);
	if (shift < 0 || __builtin_mul_overflow(value, 1ULL << shift, &value) || value < min ||
		value > max)
		return -EINVAL;
	*ret_bytes = value;
	return 0;
}
