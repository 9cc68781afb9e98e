// SPDX-License-Identifier: BSD-2-Clause
/* Built without <netlambda/function.h>. */
int handle(void);

int handle(void)
{
	return 0;
}
