// SPDX-License-Identifier: BSD-2-Clause
#include "server/peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX 1024 /* of one user; with more, the rest is not looked at */

static bool is_member(int fd, gid_t primary, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

int peer_read(int fd, const char *socket_path, struct peer *ret_peer)
{
	struct ucred ucred;
	socklen_t len = sizeof(ucred);
	struct stat st;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &len) < 0)
		return -errno;
	*ret_peer = (struct peer){.uid = ucred.uid, .pid = ucred.pid};
	ret_peer->may_change = ucred.uid == 0 || ucred.uid == geteuid() ||
			       (stat(socket_path, &st) == 0 && is_member(fd, ucred.gid, st.st_gid));
	return 0;
}
