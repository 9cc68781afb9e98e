// SPDX-License-Identifier: BSD-2-Clause
/* As one that was built for another version of the interface. */
#define LAMBDA_RUNTIME
#include <netlambda/function.h>

const struct lambda_abi lambda_abi = {.version = LAMBDA_ABI + 1};
