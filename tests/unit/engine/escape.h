/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_ENGINE_ESCAPE_H
#define TESTS_UNIT_ENGINE_ESCAPE_H

/* What a test says to `escape` over the worker pipe; the answer is an int64_t. */

struct escape_order {
	char attempt[32];
	char argument[224];
};

#endif
