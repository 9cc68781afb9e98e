// SPDX-License-Identifier: BSD-2-Clause
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct cell {
	char *text;
	enum color color;
};

struct table {
	const struct column *columns;
	unsigned int column_count;
	bool color;
	bool header_printed;
	struct cell *cells; /* row after row */
	size_t count, size;
};

struct table *table_new(const struct column *columns, unsigned int count, bool color)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table)
		*table = (struct table){.columns = columns, .column_count = count, .color = color};
	return table;
}

static void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	table->count = 0;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	table_clear(table);
	free(table->cells);
	free(table);
}

/*
 * C0, DEL, and C1 as UTF-8 has it (U+0080 to U+009F, bytes c2 80 to c2 9f), which some terminals
 * obey.
 */
char *text_printable(const char *text)
{
	char *copy = strdup(text), *to = copy;

	for (const char *at = text; copy && *at; at++) {
		unsigned char c = (unsigned char)*at, next = (unsigned char)at[1];

		if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
			at++;
		else if (c >= ' ' && c != 0x7f) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '?';
	}
	if (copy)
		*to = '\0';
	return copy;
}

void table_cell_color(struct table *table, const char *text, enum color color)
{
	if (!table)
		return;
	if (table->count == table->size) {
		size_t size = table->size * 2 + 64;
		struct cell *cells = realloc(table->cells, size * sizeof(*cells));

		if (!cells)
			return;
		table->cells = cells;
		table->size = size;
	}
	table->cells[table->count++] = (struct cell){text_printable(text ? text : "-"), color};
}

void table_cell(struct table *table, const char *text)
{
	table_cell_color(table, text, COLOR_NONE);
}

void table_cell_count(struct table *table, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	table_cell(table, text);
}

void table_cell_loss(struct table *table, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	table_cell_color(table, text, value > 0 ? COLOR_YELLOW : COLOR_NONE);
}

static const char *const sequences[] = {
	[COLOR_NONE] = "",
	[COLOR_RED] = "\033[1;31m",
	[COLOR_YELLOW] = "\033[33m",
	[COLOR_GREEN] = "\033[32m",
	[COLOR_CYAN] = "\033[36m",
	[COLOR_BOLD] = "\033[1m",
};

const char *color_start(bool enabled, enum color color)
{
	return enabled ? sequences[color] : "";
}

const char *color_end(bool enabled, enum color color)
{
	return enabled && color != COLOR_NONE ? "\033[0m" : "";
}

/* In characters: bytes that continue a UTF-8 sequence take no room. */
static unsigned int text_width(const char *text)
{
	unsigned int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *cell_text(const struct cell *cell)
{
	return cell->text ? cell->text : "?";
}

static void print_cell(
	const struct table *table, unsigned int column, unsigned int width, const struct cell *cell)
{
	bool last = column + 1 == table->column_count;
	unsigned int used = text_width(cell_text(cell));
	unsigned int pad = width > used ? width - used : 0;

	if (table->columns[column].right)
		printf("%*s", (int)pad, "");
	printf("%s%s%s", color_start(table->color, cell->color), cell_text(cell),
		color_end(table->color, cell->color));
	if (!table->columns[column].right && !last)
		printf("%*s", (int)pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

static void measure(const struct table *table, unsigned int widths[static TABLE_COLUMNS_MAX])
{
	for (unsigned int i = 0; i < table->column_count; i++)
		widths[i] = MAX(table->columns[i].least, text_width(table->columns[i].header));
	for (size_t i = 0, column = 0; i < table->count; i++) {
		widths[column] = MAX(widths[column], text_width(cell_text(&table->cells[i])));
		column = column + 1 < table->column_count ? column + 1 : 0;
	}
}

static void print_header(const struct table *table, const unsigned int *widths)
{
	for (unsigned int i = 0; i < table->column_count; i++) {
		struct cell cell = {(char *)table->columns[i].header, COLOR_BOLD};

		print_cell(table, i, widths[i], &cell);
	}
}

static void print_rows(const struct table *table, const unsigned int *widths)
{
	unsigned int column = 0;

	for (size_t i = 0; i < table->count; i++) {
		print_cell(table, column, widths[column], &table->cells[i]);
		column = column + 1 < table->column_count ? column + 1 : 0;
	}
}

void table_print(struct table *table)
{
	unsigned int widths[TABLE_COLUMNS_MAX] = {0};

	if (!table)
		return;
	measure(table, widths);
	print_header(table, widths);
	print_rows(table, widths);
}

void table_stream(struct table *table)
{
	unsigned int widths[TABLE_COLUMNS_MAX] = {0};

	if (!table)
		return;
	for (unsigned int i = 0; i < table->column_count; i++)
		widths[i] = MAX(table->columns[i].least, text_width(table->columns[i].header));
	if (!table->header_printed)
		print_header(table, widths);
	table->header_printed = true;
	print_rows(table, widths);
	table_clear(table);
}
