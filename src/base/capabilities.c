// SPDX-License-Identifier: BSD-2-Clause
#include "base/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

static struct __user_cap_header_struct own_header(void)
{
	return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

int capabilities_get(uint64_t *ret_permitted)
{
	struct __user_cap_header_struct header = own_header();
	struct __user_cap_data_struct data[WORDS] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*ret_permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

void capabilities_bound(uint64_t keep)
{
	for (unsigned int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(keep & 1ULL << i))
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

int capabilities_keep(uint64_t keep)
{
	struct __user_cap_header_struct header = own_header();
	struct __user_cap_data_struct data[WORDS] = {0};
	uint64_t permitted = 0;
	int r = capabilities_get(&permitted);

	if (r < 0)
		return r;
	keep &= permitted;
	for (unsigned int i = 0; i < WORDS; i++)
		data[i].permitted = data[i].effective = (uint32_t)(keep >> 32 * i);
	/* An empty inheritable set empties the ambient set. */
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
