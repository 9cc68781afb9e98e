#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# test_units.sh DIRECTORY AGENT SERVER DROPIN SYSUSERS: what systemd thinks of the units, of the agent's with the
# drop-in for --pin, and of the groups that they name, as far as can be told without it running. DIRECTORY holds
# the built units.
set -u
if ! command -v systemd-analyze >/dev/null; then
	echo 'skipped: systemd-analyze is not installed (Debian package systemd)'
	exit 77
fi
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top"' EXIT
unit=$top/netlambda-agent@test.service
sed "s|^ExecStart=[^ ]*|ExecStart=$2|" "$1/netlambda-agent@.service" >"$unit"
server_unit=$top/netlambda-server.service
sed "s|^\(ExecStart[Pre]*\)=[^ ]*|\1=$3|" "$1/netlambda-server.service" >"$server_unit"

# A unit alone, on a machine without the others: only what is said about this one's lines counts.
verify()
{
	local complaints

	complaints=$(systemd-analyze verify --man=no "$unit" "$server_unit" 2>&1 | grep -F "$top/")
	if [ -n "$complaints" ]; then
		printf 'failed: systemd-analyze verify:\n%s\n' "$complaints"
		exit 1
	fi
}

verify

# A typing error must be found, or the above means nothing.
sed 's/^NoNewPrivileges=/NoNewPrivilege=/' "$unit" >"$top/netlambda-agent@wrong.service"
if ! systemd-analyze verify --man=no "$top/netlambda-agent@wrong.service" 2>&1 | grep -q NoNewPrivilege; then
	echo 'failed: systemd-analyze verify does not find a planted error'
	exit 1
fi

# Times ten: 2.0 is exposed little.
if ! systemd-analyze security --offline=true --threshold=20 "$unit" >"$top/security" 2>&1; then
	echo 'failed: the unit is exposed more than it was:'
	cat "$top/security"
	exit 1
fi
tail -n 1 "$top/security"

# systemd-analyze reads drop-ins from beside the unit.
mkdir "$top/netlambda-agent@.service.d"
cp "$4" "$top/netlambda-agent@.service.d/pin.conf"
verify
sed -i 's/^ReadWritePaths=/ReadWritePath=/' "$top/netlambda-agent@.service.d/pin.conf"
if ! systemd-analyze verify --man=no "$unit" 2>&1 | grep -q ReadWritePath; then
	echo 'failed: systemd-analyze verify does not look at the drop-in'
	exit 1
fi

# A unit does not start that names a group which is not there.
mkdir "$top/root" "$top/root/etc"
if ! systemd-sysusers --root="$top/root" "$5" >"$top/sysusers" 2>&1; then
	echo 'failed: systemd-sysusers:'
	cat "$top/sysusers"
	exit 1
fi
while read -r group; do
	if ! grep -q "^$group:" "$top/root/etc/group"; then
		echo "failed: no group $group is made"
		exit 1
	fi
done < <(sed -n 's/^SupplementaryGroups=//p' "$unit" "$server_unit")
