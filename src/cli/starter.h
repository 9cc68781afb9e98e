/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_STARTER_H
#define CLI_STARTER_H

/*
 * The texts that `netlambda function new` and `types` are made of, built in (starter/,
 * tools/make_types.c, tools/join_headers.py).
 */

extern const unsigned char starter_js[], starter_py[], starter_c[], starter_http_js[],
	starter_http_py[], starter_http_c[], starter_timer_js[], starter_timer_py[],
	starter_timer_c[], starter_manifest[], starter_makefile[], starter_readme[],
	types_typescript[], types_python[], types_c[];
extern const unsigned int starter_js_len, starter_py_len, starter_c_len, starter_http_js_len,
	starter_http_py_len, starter_http_c_len, starter_timer_js_len, starter_timer_py_len,
	starter_timer_c_len, starter_manifest_len, starter_makefile_len, starter_readme_len,
	types_typescript_len, types_python_len, types_c_len;

#endif
