#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# test_renewal.sh BUILD SOURCE: a renewed certificate is taken by server and agent that run as their units have
# them, as users of their own with one more group, and nobody restarts them. In namespaces with an /etc of its own.
# shellcheck disable=SC2317 # check calls them
set -u
if [ "${3:-}" != inside ]; then
	for need in unshare setpriv systemd-sysusers; do
		command -v $need >/dev/null || { echo "skipped: $need is not installed"; exit 77; }
	done
	[ "$(id -u)" = 0 ] || { echo 'skipped: needs root'; exit 77; }
	exec unshare --mount --net --pid --fork --kill-child "$0" "$1" "$2" inside
fi
build=$1 source=$2
server=$build/src/server/netlambda-server agent=$build/src/agent/netlambda-agent pki="$build/src/cli/netlambda pki"
SERVER_USER=61235 AGENT_USER=61234
top=$(mktemp -d) || exit 1
trap 'umount -l /etc; rm -rf "$top"' EXIT
number=0 failed=0

check()
{
	local what=$1

	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number - $what"
	else
		echo "not ok $number - $what"
		failed=1
	fi
}

# wait_for LOG WORDS [COUNT]: until the log has the words so often.
wait_for()
{
	for _ in $(seq 2400); do
		[ "$(grep -c "$2" "$top/$1")" -ge "${3:-1}" ] && return 0
		sleep 0.05
	done
	sed "s/^/# $1: /" "$top/$1"
	return 1
}

mount --make-rprivate /
mount -t proc proc /proc
cp -a /etc "$top/etc" && mount --bind "$top/etc" /etc || exit 1
rm -rf /etc/netlambda && mkdir /etc/netlambda
sed -i '/^netlambda-.*-key:/d' /etc/group /etc/gshadow 2>/dev/null
chmod 755 "$top"
ip link set lo up

systemd-sysusers "$source/deploy/systemd/netlambda.sysusers" 2>"$top/sysusers.log"
server_group=$(getent group netlambda-server-key | cut -d: -f3)
agent_group=$(getent group netlambda-agent-key | cut -d: -f3)
check 'the groups of the units are made' test -n "$server_group" -a -n "$agent_group"

cd "$top" || exit 1
$pki init --name test >pki.log 2>&1
{
	$pki issue server localhost 127.0.0.1
	$pki issue switch 7 --server 127.0.0.1
	$pki enroll server-localhost.pem
	$pki enroll switch-7.pem
} >>pki.log 2>&1
check 'of its key the server is a reader, and nobody else but root' \
	test "$(stat -c '%a %u %g' /etc/netlambda/server.pem)" = "640 0 $server_group"
check 'the same at the agent' test "$(stat -c '%a %u %g' /etc/netlambda/switch.pem)" = "640 0 $agent_group"

as() # USER GROUP COMMAND...
{
	local user=$1 group=$2

	shift 2
	setpriv --reuid "$user" --regid "$user" --groups "$group" --no-new-privs "$@"
}
denied()
{
	! "$@" 2>/dev/null
}
check "the agent's user cannot read the server's key" \
	denied as $AGENT_USER "$agent_group" cat /etc/netlambda/server.pem

install -d -o $SERVER_USER run
cat >server.json <<JSON
{"listen": "127.0.0.1:5005", "api": "$top/run/api.sock", "store": "$top/run/state.db",
 "alerts": "$top/run/alerts.ndjson", "functions_dir": "$source/functions", "runtime_dir": "$source/runtime",
 "triggers": {}}
JSON
as $SERVER_USER "$server_group" --bounding-set -all --inh-caps -all "$server" --config server.json >server.log 2>&1 &
server_pid=$!
capabilities=+bpf,+net_admin,+perfmon
as $AGENT_USER "$agent_group" --bounding-set -all,$capabilities --inh-caps -all,$capabilities \
	--ambient-caps -all,$capabilities "$agent" --interface lo --mode generic >agent.log 2>&1 &
agent_pid=$!
check 'server and agent find each other' wait_for server.log 'session opened switch=7'

renew() # KIND NAME FILE
{
	{ $pki renew "$1" "$2" --to "$3" && $pki enroll "$3"; } >>pki.log 2>&1
}
renew server localhost server.renewed.pem
check 'the server takes its renewed certificate' wait_for server.log 'new certificates file=/etc/netlambda/server.pem'
renew switch 7 switch.renewed.pem
serial=$(openssl x509 -in /etc/netlambda/switch.pem -noout -serial | cut -d= -f2 | tr A-F a-f | sed 's/^0*//')
check 'the agent opens the next session with its renewed certificate' \
	wait_for server.log "session opened switch=7.*serial=0*$serial"
check 'a renewed key has the mode it had' \
	test "$(stat -c '%a %u %g' /etc/netlambda/server.pem)" = "640 0 $server_group"
check 'neither was started again' kill -0 $server_pid $agent_pid
check 'nothing was wrong on the way' denied grep '^error' server.log agent.log

kill $agent_pid $server_pid
wait $agent_pid $server_pid
[ $failed = 0 ] || sed 's/^/# pki: /' pki.log
exit $failed
