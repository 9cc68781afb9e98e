// SPDX-License-Identifier: BSD-2-Clause
#include "event/render.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_SEC 1000000000ULL

static const uint8_t v4_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* inet_ntop() takes ten times as long, which shows where each change of a function's state has an address. */
static void ipv4_render(const uint8_t bytes[static 4], char *text)
{
	for (int i = 0; i < 4; i++) {
		uint8_t byte = bytes[i];

		if (byte >= 100)
			*text++ = (char)('0' + byte / 100);
		if (byte >= 10)
			*text++ = (char)('0' + byte / 10 % 10);
		*text++ = (char)('0' + byte % 10);
		*text++ = '.';
	}
	text[-1] = '\0';
}

const char *ip_render(const ip_addr *ip, char text[static IP_TEXT_MAX])
{
	if (memcmp(ip->bytes, v4_mapped_prefix, sizeof(v4_mapped_prefix)) == 0)
		ipv4_render(ip->bytes + sizeof(v4_mapped_prefix), text);
	else /* cannot fail: the family is known and the buffer is large enough */
		inet_ntop(AF_INET6, ip->bytes, text, IP_TEXT_MAX);
	return text;
}

int ip_parse(const char *text, ip_addr *ret_ip)
{
	ip_addr ip;

	if (inet_pton(AF_INET, text, ip.bytes + 12) == 1)
		memcpy(ip.bytes, v4_mapped_prefix, sizeof(v4_mapped_prefix));
	else if (inet_pton(AF_INET6, text, ip.bytes) != 1)
		return -EINVAL;
	*ret_ip = ip;
	return 0;
}

const char *time_render(uint64_t ns, char text[static TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(ns / NS_PER_SEC);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, TIME_TEXT_MAX - len, ".%09uZ", (unsigned int)(ns % NS_PER_SEC));
	return text;
}

int time_parse(const char *text, uint64_t *ret_ns)
{
	struct tm tm = {0};
	unsigned int ns;
	int end = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%9uZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ns, &end) != 7 ||
		end == 0 || text[end])
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_ns = (uint64_t)timegm(&tm) * NS_PER_SEC + ns;
	return 0;
}

static int64_t sign_extend(uint64_t value, unsigned int bytes)
{
	unsigned int shift = 64 - bytes * 8;

	return (int64_t)(value << shift) >> shift;
}

int field_render(const struct schema_field *field, const void *record, char *text, size_t size)
{
	uint64_t value = schema_read_uint(field, record);
	char ip[IP_TEXT_MAX], time[TIME_TEXT_MAX];
	ip_addr address;

	switch (field->kind) {
	case FIELD_IP:
		memcpy(&address, (const uint8_t *)record + field->offset, sizeof(address));
		return snprintf(text, size, "%s", ip_render(&address, ip));
	case FIELD_TIME:
		return snprintf(text, size, "%s", time_render(value, time));
	case FIELD_INT:
		return snprintf(text, size, "%" PRId64, sign_extend(value, field->size));
	default:
		return snprintf(text, size, "%" PRIu64, value);
	}
}

static bool kind_is_text(enum field_kind kind)
{
	return kind == FIELD_IP || kind == FIELD_TIME;
}

int record_render_json(const struct schema *schema, const void *record, char *text, size_t size)
{
	size_t len = 0;

#define APPEND(...)                                                                                \
	(len += (size_t)snprintf(                                                                  \
		 len < size ? text + len : NULL, len < size ? size - len : 0, __VA_ARGS__))
	APPEND("{");
	for (size_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];
		const char *quote = kind_is_text(field->kind) ? "\"" : "";
		char value[64];

		field_render(field, record, value, sizeof(value));
		APPEND("%s\"%s\":%s%s%s", i > 0 ? "," : "", field->name, quote, value, quote);
	}
	APPEND("}");
#undef APPEND
	return (int)len;
}
