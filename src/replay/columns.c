// SPDX-License-Identifier: BSD-2-Clause
#include "replay/columns.h"

#include <inttypes.h>
#include <string.h>

#define GAP 2 /* spaces between columns */

struct columns {
	const char *const *headers;
	unsigned int count;
	char **cells; /* row by row, as printed */
	size_t cell_count, room;
};

struct columns *columns_new(const char *const *headers, unsigned int count)
{
	struct columns *columns = calloc(1, sizeof(*columns));

	if (columns) {
		columns->headers = headers;
		columns->count = count;
	}
	return columns;
}

void columns_free(struct columns *columns)
{
	if (!columns)
		return;
	for (size_t i = 0; i < columns->cell_count; i++)
		free(columns->cells[i]);
	free(columns->cells);
	free(columns);
}

static bool is_control(unsigned char byte)
{
	return byte < 0x20 || byte == 0x7f;
}

/* C1 controls are U+0080 to U+009F: in UTF-8 0xc2 and a byte from 0x80 to 0x9f. */
static void make_printable(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at; at++) {
		if (is_control(*at))
			*at = '?';
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
			at[0] = at[1] = '?';
	}
}

void columns_text(struct columns *columns, const char *text)
{
	char *copy;

	if (!columns)
		return;
	if (columns->cell_count == columns->room) {
		size_t room = columns->room ? columns->room * 2 : 64;
		char **cells = reallocarray(columns->cells, room, sizeof(*cells));

		if (!cells)
			return;
		columns->cells = cells;
		columns->room = room;
	}
	copy = strdup(text && *text ? text : "-");
	if (!copy)
		return;
	make_printable(copy);
	columns->cells[columns->cell_count++] = copy;
}

void columns_count(struct columns *columns, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	columns_text(columns, text);
}

static bool is_number(const struct columns *columns, unsigned int column)
{
	return columns->headers[column][0] == '>';
}

static const char *header_of(const struct columns *columns, unsigned int column)
{
	return columns->headers[column] + is_number(columns, column);
}

/* In characters: a byte that continues one takes no place. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_cell(
	const struct columns *columns, unsigned int column, int width, const char *text, FILE *out)
{
	bool last = column + 1 == columns->count;
	int pad = width - width_of(text);

	if (is_number(columns, column))
		fprintf(out, "%*s%s%*s", pad, "", text, last ? 0 : GAP, "");
	else
		fprintf(out, "%s%*s", text, last ? 0 : pad + GAP, "");
	if (last)
		fputc('\n', out);
}

void columns_print(const struct columns *columns, FILE *out)
{
	size_t rows = columns ? columns->cell_count / columns->count : 0;
	int widths[16] = {0};

	if (!columns)
		return;
	for (unsigned int i = 0; i < columns->count; i++)
		widths[i] = width_of(header_of(columns, i));
	for (size_t i = 0; i < rows * columns->count; i++)
		widths[i % columns->count] =
			MAX(widths[i % columns->count], width_of(columns->cells[i]));
	for (unsigned int i = 0; i < columns->count; i++)
		print_cell(columns, i, widths[i], header_of(columns, i), out);
	for (size_t i = 0; i < rows * columns->count; i++) {
		unsigned int column = (unsigned int)(i % columns->count);

		print_cell(columns, column, widths[column], columns->cells[i], out);
	}
}
