# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# `./dev lint`: each check is one counted item.

lint_everything()
{
	lint_quickly
	[ "${1:-}" = --quick ] || item "lint: clang-tidy" lint_tidy
}

lint_quickly()
{
	item "lint: clang-format" lint_format
	item "lint: include directions" python3 tools/check_includes.py
	item "lint: include check finds planted violations" python3 tools/test_check_includes.py
	item "lint: sub-tests are counted right" python3 tools/test_count_tests.py
	item "lint: shellcheck" lint_shell
	item "lint: manuals" lint_manuals
	item "lint: SPDX lines" lint_spdx
}

lint_format()
{
	c_sources | xargs -0 clang-format --dry-run -Werror
}

# tools/dev/ is checked as part of ./dev, which sources it.
lint_shell()
{
	shellcheck -x -a ./dev || return
	project_files -path ./.ci/run -o -path ./tools/kernels/init -o -name '*.sh' -not -path './tools/dev/*' | xargs -0 shellcheck -x
}

lint_manuals()
{
	project_files -path './docs/man/*.[1-9]' | xargs -0 -r mandoc -T lint -W warning
}

# What cannot hold a comment, and prose, is covered by LICENSE alone.
lint_spdx()
{
	local file bad=0

	while IFS= read -r -d '' file; do
		if ! head -n 5 "$file" | grep -q 'SPDX-License-Identifier: '; then
			printf '%s: no SPDX-License-Identifier in the first five lines\n' "$file"
			bad=1
		fi
	done < <(project_files -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.js' \
		-o -name meson.build -o -path './docs/man/*.[1-9]' -o -path ./dev -o -path ./.ci/run -o -path ./tools/kernels/init \
		-o -name '*.service' -o -path './.clang-*')
	return $bad
}

# Two at a time a core would only fight over the cache; files are handed out a few at a time.
lint_tidy()
{
	project_files -path './src/*.c' -o -path './bench/*.c' -o -path './runtime/native/*.c' | compiled_only |
		xargs -0 -r -P "$(nproc)" -n 3 clang-tidy -p "$build" --quiet \
			--extra-arg=-Wno-unknown-warning-option
}

# Leaves out sources that are for the kernel side: the compilation database does not have them.
compiled_only()
{
	grep -zv '\.bpf\.c$'
}
