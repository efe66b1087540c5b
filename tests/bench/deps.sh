#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `make bench-deps`: what the benchmark can use, from Debian's archive.
#
# gnuplot, socat and the Go compiler are installed (as root).  The syslog
# daemons are not: installing one replaces the machine's logger, and two of
# them cannot be installed together.  Their packages are downloaded and
# unpacked below the build directory, with the libraries they need, and
# nothing outside changes.
set -eu
: "${BW_BUILD:=$PWD/build}"
deps=$BW_BUILD/bench/deps
export DEBIAN_FRONTEND=noninteractive

command -v apt-get >/dev/null || {
	echo "bench-deps: this needs apt-get (Debian or a relative)" >&2
	exit 1
}

want=
for pair in gcc:gcc gnuplot:gnuplot-nox socat:socat go:golang-go; do
	command -v "${pair%%:*}" >/dev/null || want="$want ${pair#*:}"
done
# A logger in process to compare lanes with; it needs a C++ compiler.
command -v c++ >/dev/null || want="$want g++"
[ -e /usr/include/spdlog/spdlog.h ] || want="$want libspdlog-dev"
if [ "$want" ] && [ "$(id -u)" -eq 0 ]; then
	apt-get update -q
	# shellcheck disable=SC2086
	apt-get install -q -y --no-install-recommends $want
elif [ "$want" ]; then
	echo "bench-deps: to have all of it, as root: apt-get install$want" >&2
fi

# What a package needs at run time, one level deep and libraries only.
libraries() {
	apt-cache depends --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances "$1" |
		sed -n 's/^ *Depends: \(lib[^ <>]*\)$/\1/p'
}

mkdir -p "$deps/packages"
cd "$deps/packages"
for package in rsyslog syslog-ng-core socklog s6; do
	# shellcheck disable=SC2046
	apt-get -o APT::Sandbox::User=root download -q \
		$(for p in $package $(libraries $package); do
		case $p in
		libc6 | libsystemd0 | libelogind0) ;;
		*) echo "$p" ;;
		esac
	done) || echo "bench-deps: $package: not available, left out" >&2
done
for deb in *.deb; do
	[ -f "$deb" ] && dpkg -x "$deb" "$deps"
done
echo "bench-deps: done, daemons unpacked in $deps"
