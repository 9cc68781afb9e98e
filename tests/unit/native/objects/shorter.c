// SPDX-License-Identifier: BSD-2-Clause
/* As one that was built when records were shorter. */
#define LAMBDA_RUNTIME
#include <netlambda/function.h>

const struct lambda_abi lambda_abi = {LAMBDA_ABI, 2, {sizeof(struct port_event), 64}};
