# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# `./dev kernels`: Debian's kernels, each started in QEMU with the tests of the kernel side in its initial file
# system. Nothing is installed but QEMU and what the file system is made with; kernels are downloaded by apt-get,
# from where this machine's apt has its packages, and unpacked in build/kernels/.

kernel_dir=build/kernels
kernel_suites=(bullseye bookworm trixie trixie-backports)
kernel_modules='veth bonding 8021q bridge dummy'

kernel_package_names()
{
	echo 'qemu-system-x86 busybox-static kmod cpio xz-utils'
}

verb_kernels()
{
	ensure_packages
	quiet_build
	kernels_check "$@"
	report
}

# kernels_check [SUITE...]
kernels_check()
{
	local suite name lacking=''

	say "kernels (logs: $kernel_dir/SUITE/console.log)"
	if [ "$(uname -m)" != x86_64 ]; then
		item "kernels" kernel_skip "only x86-64 machines are started in QEMU"
		return
	fi
	for name in $(kernel_package_names); do
		package_present "$name" || lacking+=" $name"
	done
	# shellcheck disable=SC2086
	if [ -n "$lacking" ] && ! { [ "$(id -u)" = 0 ] && apt_install $lacking; }; then
		item "kernels" kernel_skip "packages are missing:$lacking"
		return
	fi
	mkdir -p "$kernel_dir"
	kernel_choose_accelerator
	[ $# -gt 0 ] || set -- "${kernel_suites[@]}"
	for suite in "$@"; do
		kernel_check "$suite"
	done
}

kernel_skip()
{
	echo "skipped: $1"
	return 77
}

# ---- getting a kernel ----

# Where this machine's Debian packages come from: every release is there.
kernel_site()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" {print $2; exit}'
}

# apt for another suite, in a directory of its own: nothing of the machine's is touched.
kernel_apt()
{
	local tool=$1 dir=$PWD/$kernel_dir/$2

	shift 2
	(cd "$dir" && "$tool" -o Dir::Etc::SourceList="$dir/sources.list" \
		-o Dir::Etc::SourceParts=/nonexistent -o Dir::State::lists="$dir/lists" \
		-o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root "$@")
}

# The packages that hold the kernel of a meta package: all that it needs of the same source.
kernel_packages()
{
	kernel_apt apt-cache "$1" depends --recurse --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances linux-image-cloud-amd64 |
		grep -E '^linux-(image|binary|modules|base)-[0-9].*-cloud-amd64$' | sort -u
}

kernel_fetch()
{
	local suite=$1 dir=$kernel_dir/$1 site packages

	[ ! -f "$dir/vmlinuz" ] || return 0
	site=$(kernel_site)
	[ -n "$site" ] || return 1
	rm -rf "$dir"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/root"
	printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
		"$site" "$suite" >"$dir/sources.list"
	kernel_apt apt-get "$suite" -o Acquire::Retries=1 update || return
	mapfile -t packages < <(kernel_packages "$suite")
	[ ${#packages[@]} -gt 0 ] || return
	kernel_apt apt-get "$suite" download "${packages[@]}" || return
	for file in "$dir"/*.deb; do
		dpkg-deb -x "$file" "$dir/root" || return
	done
	rm -f "$dir"/*.deb
	rm -rf "$dir/lists" "$dir/cache"
	kernel_unpack "$dir"
}

# Leaves the kernel, and the modules that are needed in the order to load them.
kernel_unpack()
{
	local dir=$1 version module

	version=$(basename "$(find "$dir/root" -type d -path '*/modules/*' -prune -name '[0-9]*' | head -n 1)")
	[ -e "$dir/root/lib" ] || ln -s usr/lib "$dir/root/lib"
	depmod -b "$PWD/$dir/root" "$version" || return
	mkdir -p "$dir/modules"
	for module in $kernel_modules; do
		modprobe -d "$PWD/$dir/root" -S "$version" --show-depends "$module" 2>/dev/null
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' >"$dir/modules/paths"
	while read -r module; do
		cp "$module" "$dir/modules/" || return
		basename "${module%.xz}"
	done <"$dir/modules/paths" >"$dir/modules/order"
	rm "$dir/modules/paths"
	find "$dir/modules" -name '*.xz' -exec xz -d {} +
	printf '%s\n' "$version" >"$dir/version"
	cp "$(find "$dir/root" -name "vmlinuz-$version" -o -name vmlinuz | head -n 1)" "$dir/vmlinuz.new" || return
	rm -rf "$dir/root"
	mv "$dir/vmlinuz.new" "$dir/vmlinuz"
}

# ---- the file system ----

# What the tests are, by kernel: NAME COMMAND.
kernel_tests()
{
	if ! printf '5.15\n%s\n' "$1" | sort -V -C; then
		echo 'agent/says_that_the_kernel_is_too_old /kernels/old_kernel.sh /kernels/netlambda-agent'
		return
	fi
	cat <<'TESTS'
bpf/verified /kernels/test_bpf_verified
bpf/count /kernels/test_bpf_count
bpf/count_ports /kernels/test_bpf_count_ports
bpf/fanout /kernels/test_bpf_fanout
bpf/parse /kernels/test_bpf_parse
bpf/agent /kernels/test_bpf_agent
bpf/follow /kernels/test_bpf_follow
bpf/hints /kernels/test_bpf_hints
bpf/pin /kernels/test_bpf_pin
bpf/chain /kernels/test_bpf_chain
bpf/exact /kernels/test_bpf_exact
TESTS
}

# Copies programs and the libraries that they are linked with.
kernel_add_programs()
{
	local root=$1 program library

	shift
	for program in "$@"; do
		[ -f "$program" ] || continue
		install -D "$program" "$root$(kernel_place "$program")"
		while read -r library; do
			[ -e "$root$library" ] || install -D "$library" "$root$library"
		done < <(ldd "$program" 2>/dev/null | grep -o '/[^ ]*')
	done
}

# The project's own go to /kernels.
kernel_place()
{
	case $1 in
	/*) printf '%s' "$1" ;;
	*) printf '/kernels/%s' "${1##*/}" ;;
	esac
}

kernel_file_system()
{
	local dir=$kernel_dir/$1 root=$kernel_dir/$1/initramfs

	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc,kernels,modules,tests/bpf}
	cp /bin/busybox "$root/bin/"
	cp tools/kernels/init "$root/init"
	# Busybox as a shell takes its own ip for ip.
	ln -s /usr/bin/dash "$root/bin/sh"
	cp tools/kernels/old_kernel.sh "$root/kernels/"
	cp tests/bpf/as_unit.sh "$root/tests/bpf/"
	cp "$dir"/modules/* "$root/modules/"
	printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
	echo 'root:*:::::::' >"$root/etc/shadow"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	kernel_add_programs "$root" "$build/src/agent/netlambda-agent" "$build"/tests/bpf/test_bpf_* \
		"$(command -v ip)" /usr/bin/dash /usr/bin/setpriv /usr/bin/unshare \
		/usr/lib/x86_64-linux-gnu/bpf/xdp-dispatcher.o
	kernel_tests "$(cat "$dir/version")" >"$root/kernels/tests"
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initramfs.gz"
	rm -rf "$root"
}

# ---- running it ----

# kernel_qemu SUITE SECONDS [OPTION...]
kernel_qemu()
{
	local dir=$kernel_dir/$1 seconds=$2

	shift 2
	timeout "$seconds" qemu-system-x86_64 "$@" -smp 2 -m 3072 -nographic -no-reboot -nic none \
		-kernel "$dir/vmlinuz" -initrd "$dir/initramfs.gz" \
		-append 'console=ttyS0 quiet panic=-1' </dev/null 2>&1 | sed -u 's/\r//g'
}

# Whether /dev/kvm starts an ordinary kernel is tried: in some clouds it is there and does not.
kernel_choose_accelerator()
{
	kernel_accelerator=(-accel 'tcg,thread=multi' -cpu max)
	[ -w /dev/kvm ] || return 0
	kernel_fetch bookworm >"$kernel_dir/fetch-bookworm.log" 2>&1 || return 0
	kernel_file_system bookworm
	if kernel_qemu bookworm 20 -accel kvm -cpu host 2>/dev/null | grep -q -m 1 '@@ kernel'; then
		kernel_accelerator=(-accel kvm -cpu host)
	fi
}

kernel_check()
{
	local suite=$1 dir=$kernel_dir/$1 version name

	if ! kernel_fetch "$suite" >"$kernel_dir/fetch-$suite.log" 2>&1; then
		item "kernel of $suite" kernel_skip "it cannot be downloaded ($kernel_dir/fetch-$suite.log)"
		return
	fi
	version=$(cat "$dir/version")
	say "Linux $version ($suite, ${kernel_accelerator[1]})"
	kernel_file_system "$suite"
	kernel_qemu "$suite" 3600 "${kernel_accelerator[@]}" >"$dir/console.log" || true
	item "$version: starts, and comes to its end" grep -q '^@@ done' "$dir/console.log"
	while read -r name _; do
		item "$version: $name" kernel_result "$dir/console.log" "$name"
	done < <(kernel_tests "$version")
}

# Prints what the test printed in there, and returns as it did.
kernel_result()
{
	local code

	sed -n "\\,^@@ begin $2\$,,\\,^@@ end $2 ,p" "$1"
	code=$(sed -n "s,^@@ end $2 \\([0-9]*\\) .*,\\1,p" "$1")
	return "${code:-1}"
}
