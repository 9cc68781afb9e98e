#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The bash completions, called as bash calls them. usage: test_completion.sh COMPLETIONS_DIR NETLAMBDA AGENT SERVER
set -u
directory=$1 program=$2 agent=$3 server=$4
failed=0

# shellcheck disable=SC1091
. "$directory/netlambda"
# shellcheck disable=SC1091
. "$directory/netlambda-agent"
# shellcheck disable=SC1091
. "$directory/netlambda-server"
# shellcheck disable=SC1091
. "$(dirname "$0")/options.sh"

# expect FUNCTION "WORDS OF THE LINE, the last one being typed" "THE CANDIDATES"
expect()
{
	local function=$1 expected=$3

	IFS=' ' read -ra COMP_WORDS <<<"$2"
	# a space at the end begins a new word
	[[ $2 == *' ' ]] && COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	"$function"
	if [ "${COMPREPLY[*]}" != "$expected" ]; then
		printf 'not ok: "%s"\n  expected: %s\n  found:    %s\n' "$2" "$expected" "${COMPREPLY[*]}"
		failed=1
	fi
}

common='--output --socket --help'
expect _netlambda 'netlambda sta' 'status state'
expect _netlambda 'netlambda state x --l' '--limit'
expect _netlambda 'netlambda a' 'alerts'
expect _netlambda 'netlambda --v' '--version'
expect _netlambda 'netlambda alerts --f' '--follow --function'
expect _netlambda 'netlambda alerts ' "--follow --since --function --limit $common"
expect _netlambda 'netlambda -o j' 'json'
expect _netlambda 'netlambda --output = t' 'table'
expect _netlambda 'netlambda --output =' 'table json yaml'
expect _netlambda 'netlambda -s /nonexistent.sock al' 'alerts'
expect _netlambda 'netlambda --socket = /nonexistent.sock al' 'alerts'
expect _netlambda 'netlambda function ' "new test types deploy update delete list describe versions rollback call logs top dead-letters $common"
expect _netlambda 'netlambda function up' 'update'
expect _netlambda 'netlambda function call x --event p' 'port'
expect _netlambda 'netlambda function new x --ru' '--runtime'
expect _netlambda "netlambda function test $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda "netlambda replay x.pcap --function $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda function deploy x --dr' '--dryrun'
expect _netlambda 'netlambda function deploy x --runtime p' 'python'
expect _netlambda "netlambda function deploy x -f $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda function delete x --p' '--purge'
expect _netlambda 'netlambda function dead-letters --l' '--limit'
expect _netlambda 'netlambda function dead-letters r' 'retry'
expect _netlambda 'netlambda alerts --limit ' ''
expect _netlambda 'netlambda help sw' 'switches'
expect _netlambda "netlambda -s $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda r' 'replay'
expect _netlambda "netlambda replay $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda decrypt x.pcap --k' '--key-log'
expect _netlambda "netlambda decrypt x.pcap --write $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda "netlambda decrypt $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda replay x.pcap --fl' '--flow-idle --flows'
expect _netlambda 'netlambda replay x.pcap --log-level i' 'info'
expect _netlambda 'netlambda replay x.pcap --output ' 'table json'
expect _netlambda "netlambda replay x.pcap -c $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda p' 'pki'
expect _netlambda 'netlambda pki ' "init issue renew revoke crl list show enroll $common"
expect _netlambda 'netlambda pki re' 'renew revoke'
expect _netlambda 'netlambda pki issue s' 'switch server'
expect _netlambda 'netlambda pki issue switch 7 --se' '--server'
expect _netlambda 'netlambda pki issue --dir /x switch 7 --na' '--name'
expect _netlambda 'netlambda pki revoke switch 7 --reason k' 'key-compromise'
expect _netlambda 'netlambda pki list --ex' '--expiring'
expect _netlambda "netlambda pki enroll $directory/netlambda-s" "$directory/netlambda-server"
expect _netlambda 'netlambda pki enroll x.pem --ow' '--owner'
expect _netlambda_server 'netlambda-server --l' '--log-level'
expect _netlambda_server 'netlambda-server --log-level w' 'warning'
expect _netlambda_server "netlambda-server -c $directory/netlambda-s" "$directory/netlambda-server"

# What is completed is what the programs know: each command and verb, and each of their options.
# expect_options FUNCTION PROGRAM [WORD...]
expect_options()
{
	local function=$1 program=$2 option none=1

	shift 2
	for option in $(options_of "$program" "$@"); do
		COMP_WORDS=("${program##*/}" "$@" "$option") COMP_CWORD=$(($# + 1)) COMPREPLY=()
		none=
		"$function"
		[[ " ${COMPREPLY[*]} " == *" $option "* ]] || {
			echo "not ok: ${program##*/} $*: $option is not completed"
			failed=1
		}
	done
	[ -z "$none" ] || {
		echo "not ok: ${program##*/} $*: no option is known"
		failed=1
	}
}

commands=$(below Commands "$program")
for command in $commands; do
	expect _netlambda "netlambda $command" "$(grep "^$command" <<<"$commands" | paste -sd ' ')"
	for verb in $(below Verbs "$program" "$command"); do
		expect _netlambda "netlambda $command $verb" "$verb"
	done
done
while read -ra words; do
	expect_options _netlambda "$program" "${words[@]}"
done < <(commands_of "$program")
expect_options _netlambda "$program"
expect_options _netlambda_agent "$agent"
expect_options _netlambda_server "$server"
exit $failed
