#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Names or installs what the build needs.
#
#   deps.sh check          exit 1 with one line if the build cannot work
#   deps.sh auto [check]   installs what is missing for the build (and tests)
#   deps.sh fuzz           installs what is missing for the fuzz targets
#   deps.sh ports          installs other compilers, and an emulator
#   deps.sh install        installs everything, for developing too
#
# CC may have arguments; CPPFLAGS is what the build gives to the preprocessor.
set -eu

cc=${CC:-cc}
build='gcc libc6-dev libuv1-dev libinih-dev libzstd-dev'
develop='clang libclang-rt-dev clang-format clang-tidy cppcheck shellcheck reuse
	mandoc man-db systemd pkg-config cmake spin socat rsync openssh-server zstd
	debootstrap systemd-container apparmor strace'
package='dpkg-dev debhelper fakeroot lintian faketime rpm'
ports='gcc-aarch64-linux-gnu qemu-user-static musl-tools cmake'
elsewhere='a C compiler, make, and the headers of libuv, inih and libcheck
(and glibc 2.32 or newer, or musl; with libzstd, files can be compressed)
  Fedora  dnf install gcc make libuv-devel inih-devel libzstd-devel check-devel
  Arch    pacman -S gcc make libuv libinih zstd check'

# header NAME...: true if the compiler finds all of these headers.  The shell
# splits and unquotes the compiler's words as in a recipe of make.
header() {
	for h in "$@"; do
		echo "#include <$h>"
	done | eval "$cc ${CPPFLAGS-} -x c -E -o /dev/null -" 2>/dev/null
}

# missing [check]: prints the packages that the build (and tests) lack
missing() {
	# CC may be `ccache gcc` or `gcc -m32`.
	command -v "${cc%% *}" >/dev/null 2>&1 || echo gcc
	if ! command -v "${cc%% *}" >/dev/null 2>&1 || ! header stdio.h; then
		echo libc6-dev
		echo libuv1-dev
		echo libinih-dev
		[ "${1-}" != check ] || echo check
		return
	fi
	header uv.h || echo libuv1-dev
	header ini.h || echo libinih-dev
	[ "${1-}" != check ] || header check.h || echo check
}

# True if clang can link a program with its fuzzer.
can_fuzz() {
	echo 'int LLVMFuzzerTestOneInput(void *p, int n) { return !p && n; }' |
		clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null - \
			>/dev/null 2>&1
}

# oneline WORDS: prints them on one line, with single spaces
oneline() {
	# shellcheck disable=SC2048,SC2086 # split on purpose
	echo $*
}

# install PACKAGE...: asks nothing, unless sudo wants a password
install() {
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "Please install $elsewhere" >&2
		exit 1
	fi
	if [ "$(id -u)" = 0 ]; then
		as_root='env'
	elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then
		as_root='sudo env'
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		as_root='sudo -n env'
	else
		echo "Missing, and only root can install it:" \
			"apt-get install $(oneline "$@")" >&2
		exit 1
	fi
	echo "Installing $(oneline "$@")"
	log=$(mktemp)
	# The package lists of a new container are missing or old.
	# shellcheck disable=SC2086,SC2048 # words on purpose
	apt_install $* >"$log" 2>&1 ||
		{
			$as_root apt-get update -q </dev/null &&
				apt_install $*
		} >"$log" 2>&1 || {
		cat "$log" >&2
		rm -f "$log"
		exit 1
	}
	rm -f "$log"
}

apt_install() {
	$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends "$@" </dev/null
}

case ${1-} in
check)
	lacks=$(missing)
	[ -z "$lacks" ] || {
		echo "The build lacks $(oneline "$lacks" | sed 's/ /, /g')" \
			"(Debian's names); \`make deps\` installs it." >&2
		exit 1
	}
	;;
auto)
	lacks=$(missing "${2-}")
	[ -z "$lacks" ] || install "$lacks"
	;;
fuzz)
	lacks=$(missing)
	can_fuzz || lacks="$lacks clang libclang-rt-dev"
	[ -z "$lacks" ] || install "$lacks"
	;;
ports)
	install "$ports"
	;;
install)
	install "$build" check "$develop" "$package"
	;;
*)
	echo "usage: $0 check | auto [check] | fuzz | ports | install" >&2
	exit 2
	;;
esac
