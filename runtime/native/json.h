/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_JSON_H
#define NATIVE_JSON_H

/* JSON text, written into a growing buffer whose error is sticky. */

#include "engine/pipe.h"

#include <stdbool.h>

/* As it stands. */
void json_put(struct pipe_buffer *to, const char *text);
void json_put_bytes(struct pipe_buffer *to, const char *bytes, size_t len);
/* In the fewest digits that give the same double again. It must be finite. */
void json_put_number(struct pipe_buffer *to, double number);
void json_put_string(struct pipe_buffer *to, const char *bytes, size_t len);

/* The whole text is a number. */
bool json_read_number(const char *text, double *ret_number);

/* Copies valid JSON without its white space; `to` has room for as much as there is. Returns the length. */
size_t json_compact(const char *json, char *to);

#endif
