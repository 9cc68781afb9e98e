/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

/*
 * Aligned tables for people. A table collects its rows and is printed when all are known; a stream
 * is printed row by row with the columns' least widths. What comes from functions and packets is
 * shown without control characters, so that it cannot drive the terminal.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum color {
	COLOR_NONE,
	COLOR_RED,
	COLOR_YELLOW,
	COLOR_GREEN,
	COLOR_CYAN,
	COLOR_BOLD,
};

#define TABLE_COLUMNS_MAX 16

struct column {
	const char *header;
	bool right;         /* numbers */
	unsigned int least; /* width, in characters */
};

struct table;

/* `columns` is borrowed. NULL when out of memory, which everything here takes in silence. */
struct table *table_new(const struct column *columns, unsigned int count, bool color);
void table_free(struct table *table);
DEFINE_CLEANUP(struct table, table_free)

/* The next cell of the row; NULL is shown as "-". A row is full when it has all its columns. */
void table_cell(struct table *table, const char *text);
void table_cell_color(struct table *table, const char *text, enum color color);
void table_cell_count(struct table *table, int64_t value);
/* The same, which is worth a look if it is not 0. */
void table_cell_loss(struct table *table, int64_t value);

/* The header and the rows so far. */
void table_print(struct table *table);

/* For streams: prints the rows so far and forgets them; the header only the first time. */
void table_stream(struct table *table);

/* The same replacement, for text outside of tables. To be freed. */
char *text_printable(const char *text);

/* Escape sequences around what is printed between them; empty without colours. */
const char *color_start(bool enabled, enum color color);
const char *color_end(bool enabled, enum color color);

#endif
