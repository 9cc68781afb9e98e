# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What a program's help says, for the tests of completion: a new option or verb cannot be forgotten.

# options_of PROGRAM [WORD...]: the long options that its --help lists
options_of()
{
	"$@" --help | sed '/^Examples:/,/^$/d' | grep -E '^ +(-[A-Za-z], )?--[a-z]' | sed 's/^ *//; s/  .*//' |
		grep -oE -- '--[a-z-]+'
}

# below TITLE PROGRAM [WORD...]: what is listed there
below()
{
	local title=$1

	shift
	"$@" --help | sed -n "/^$title:/,/^\$/s/^  \([a-z-]*\)  *.*/\1/p"
}

# commands_of PROGRAM: its commands, and their verbs, a line each
commands_of()
{
	local command verb

	for command in $(below Commands "$1"); do
		verb=
		for verb in $(below Verbs "$1" "$command"); do
			echo "$command $verb"
		done
		[ -n "$verb" ] || echo "$command"
	done
}
