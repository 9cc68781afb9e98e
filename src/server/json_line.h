/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_JSON_LINE_H
#define SERVER_JSON_LINE_H

/*
 * Where a value stands in a JSON text, which jansson does not keep: for error messages that name
 * the line. The text must be valid JSON already.
 */

/*
 * The line, from 1, of the member `path` ("triggers.7", "functions.port-scan.key"; array elements
 * by index). If it is not there, of its nearest ancestor that is; 1 at the least.
 */
unsigned int json_line(const char *text, const char *path);

#endif
