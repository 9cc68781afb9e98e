#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The completions of fish and zsh: each command, verb and option that the program's help knows is offered where it
# belongs. fish is asked; in zsh the functions that its completion calls print what they are called with.
# usage: test_completion_shells.sh fish|zsh COMPLETION PROGRAM
set -u
shell=$1 completion=$2 program=$3
called=${program##*/}
failed=0
# shellcheck disable=SC1091
. "$(dirname "$0")/options.sh"

command -v "$shell" >/dev/null || {
	echo "no $shell here"
	exit 77
}
"$shell" -n "$completion" || exit 1
PATH=$(dirname "$program"):$PATH

# offered_SHELL "WORDS" DASH: what is offered behind some words, a line each.
# shellcheck disable=SC2317 # they are called by their names
offered_fish()
{
	fish --no-config -c "source $completion; complete -C '$called $1 $2'" 2>/dev/null
}

# shellcheck disable=SC2317
offered_zsh()
{
	# shellcheck disable=SC2016 # zsh's
	zsh -f -c '
		_arguments() { print -rl -- "$@"; [[ $1 == -C ]] || return; shift words; state=argument
			((${#words} > 1)) || state=$level; level=verb }
		_describe() { print -rl -- ${(P)2} }
		level=command words=('"$called"' '"$1"' "")
		. '"$completion"' 2>/dev/null'
}

# expect "WORDS" DASH NAME...
expect()
{
	local words=$1 offered name

	offered=$("offered_$shell" "$words" "$2")
	shift 2
	for name in "$@"; do
		grep -qE -- "^(\*?)$name([^a-z-]|\$)" <<<"$offered" || {
			echo "not ok: $shell: '$called $words' does not offer $name"
			failed=1
		}
	done
}

# check [WORD...]: the options behind a command
check()
{
	# shellcheck disable=SC2046 # words
	expect "$*" -- $(options_of "$program" "$@")
}

commands=$(below Commands "$program")
# shellcheck disable=SC2086 # words
[ -z "$commands" ] || expect '' '' $commands
for command in $commands; do
	# shellcheck disable=SC2046 # words
	expect "$command" '' $(below Verbs "$program" "$command")
done
while read -ra words; do
	check "${words[@]}"
done < <(commands_of "$program")
check
exit $failed
