# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The Debian packages that building, testing and demonstrating need.

package_names()
{
	cat <<'NAMES'
gcc libc6-dev make linux-libc-dev meson ninja-build pkg-config python3 python3-yaml perl
clang llvm libclang-rt-14-dev bpftool libbpf-dev libelf-dev zlib1g-dev
libxdp-dev libcap-dev libseccomp-dev
libjansson-dev libsqlite3-dev libmicrohttpd-dev libcurl4-openssl-dev libssl-dev openssl libpcap-dev libarchive-dev nodejs
libcmocka-dev valgrind clang-format clang-tidy shellcheck mandoc spin node-typescript mypy zsh fish
systemd iproute2 procps ethtool nftables tcpdump tshark curl nmap hping3 iperf3 gnuplot-nox
NAMES
	# Faster AES-GCM; Debian has it for this architecture only.
	[ "$(dpkg --print-architecture)" != amd64 ] || echo libipsec-mb-dev
}

package_present()
{
	# Node.js often comes from elsewhere than Debian, under another package or none.
	if [ "$1" = nodejs ] && node_is_recent; then
		return 0
	fi
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

node_is_recent()
{
	local version

	version=$(node --version 2>/dev/null) || return 1
	version=${version#v}
	[ "${version%%.*}" -ge 18 ]
}

missing_packages()
{
	local name

	for name in $(package_names); do
		package_present "$name" || printf '%s\n' "$name"
	done
}

apt_install()
{
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null
}

setup_packages()
{
	local missing

	command -v apt-get >/dev/null || die "setup knows Debian's apt-get only; install by hand:" \
		"$(package_names)"
	mapfile -t missing < <(missing_packages)
	if [ ${#missing[@]} -eq 0 ]; then
		say "all packages are installed"
		return
	fi
	[ "$(id -u)" = 0 ] || die "these packages are missing; run: sudo ./dev setup" "${missing[*]}"
	say "installing ${missing[*]}"
	# The lists of a fresh machine may be absent or old: fetch them once and try again.
	apt_install "${missing[@]}" || { apt-get update && apt_install "${missing[@]}"; } ||
		die "apt-get could not install: ${missing[*]}"
	node_is_recent || die "Node.js 18 or newer is needed, found: $(node --version 2>&1)"
}

# What the other verbs call first: silent when nothing is missing.
ensure_packages()
{
	[ -z "$(missing_packages)" ] || setup_packages
}
