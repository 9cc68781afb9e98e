// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that runs in a worker's place: it takes the name of an attempt and an argument from the pipe,
 * tries, and answers what came of it.
 */
#include "escape.h"
#include "attempts.h"

#include <stdint.h>
#include <unistd.h>

#define PIPE_FD 3

int main(void)
{
	struct escape_order order;

	while (read(PIPE_FD, &order, sizeof(order)) == sizeof(order)) {
		int64_t answer = attempt(order.attempt, order.argument);

		if (write(PIPE_FD, &answer, sizeof(answer)) != sizeof(answer))
			return 1;
	}
	return 0;
}
