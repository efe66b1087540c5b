#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   ports.sh [aarch64] [musl]
#
# Builds bufwriter for another processor and for another C library, and runs
# tests of what came out:
#
#   aarch64   Debian's cross compiler; unit tests under qemu's user emulation.
#             The libraries for it are Debian's arm64 packages, unpacked below
#             the build directory: the machine gets no second architecture.
#             qemu runs a thread of aarch64 as a thread of this processor.  So
#             this shows that the atomics compile to what the tests expect; a
#             missing barrier would show on a real aarch64 only.
#   musl      musl-gcc, static: the library and the command; and where
#             Debian's sources of libuv and inih can be had, the daemon and the
#             shipper, which this machine's own tests then run.
#
# A port whose compiler is not installed is left out, which is a failure with
# CI=true: `make ports-deps` installs both.
set -eu

top=${BW_TOP:-$(cd "$(dirname "$0")/.." && pwd)}
build=${BW_BUILD:-$top/build}
cache=${BW_PORTS:-$build/ports}
failed=
[ $# != 0 ] || set -- aarch64 musl
export WERROR=1
# from make, or all processors
case ${MAKEFLAGS-} in
*-j*) ;;
*) MAKEFLAGS=-j$(nproc) ;;
esac
export MAKEFLAGS

# Suites without other processes, among them those with threads.  Some are left
# out, because qemu 7.2 does not do what the kernel does: it ignores
# MADV_WIPEONFORK (test_client_lanes_threads) and limits (test_worker), its
# sendmsg() sends nothing without an iovec (test_client), its statx() has no mount
# (test_flush), and its pages and times are others (test_client_lanes).
aarch64_suites='test_arena test_client_threads test_compress
	test_lane test_lane_table test_lanes_worker test_log test_pace
	test_region test_region_v1 test_ring test_ring_check
	test_ring_threads test_ship_parts test_show test_strip test_text
	test_transfer test_transfer_lane test_transfer_large
	test_worker_lanes test_worker_lend test_worker_life'
# Suites that need no failpoint, which the daemon built here does not have.
musl_suites='test_filing test_signals test_lanes_adopt test_lanes_place test_senders'

# apt ARCHITECTURE ARGUMENT...: apt-get with lists of its own, so that the
# machine's own lists and architectures remain as they are
apt() {
	arch=$1
	shift
	state=$cache/apt-$arch
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	touch "$state/status"
	# apt-get replaces $(...), not the shell.
	# shellcheck disable=SC2016
	[ -s "$state/sources.list" ] ||
		apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
			'Created-By: Packages' 'Origin: Debian' | sort -u |
		while read -r uri name; do
			echo "deb $uri $name main"
			echo "deb-src $uri $name main"
			case $name in
			*-*) ;;
			*) echo "deb-src $uri stable main" ;;
			esac
		done >"$state/sources.list"
	apt-get -q -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
		-o "Dir::State=$state" -o "Dir::State::status=$state/status" \
		-o "Dir::Cache=$state" -o APT::Sandbox::User=root \
		-o "Dir::Etc::sourcelist=$state/sources.list" \
		-o Dir::Etc::sourceparts=- "$@"
}

# made NAME TEXT COMMAND: runs the command, unless it has succeeded with TEXT
# before
made() {
	[ "$(cat "$cache/$1.made" 2>/dev/null)" = "$2" ] && return 0
	mkdir -p "$cache"
	if "$3" >"$cache/$1.log" 2>&1; then
		echo "$2" >"$cache/$1.made"
	else
		tail -n 20 "$cache/$1.log"
		return 1
	fi
}

# --- aarch64 -----------------------------------------------------------------

root=$cache/aarch64
arm64='libc6 libc6-dev linux-libc-dev libcrypt1 libgcc-s1 libuv1 libuv1-dev
	libinih1 libinih-dev libzstd1 libzstd-dev check libsubunit0
	libsubunit-dev'

make_root() {
	apt arm64 update || return 1
	rm -rf "$root" && mkdir -p "$root/packages" || return 1
	# shellcheck disable=SC2086 # a list
	(cd "$root/packages" && apt arm64 download $arm64) || return 1
	for deb in "$root"/packages/*.deb; do
		dpkg-deb -x "$deb" "$root" || return 1
	done
	rm -rf "$root/packages"
}

port_aarch64() {
	emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
	made aarch64 "$arm64" make_root || return 1
	lib=$root/usr/lib/aarch64-linux-gnu
	set -- make -C "$top" BUILD="$build/aarch64" ZSTD=yes \
		CC="aarch64-linux-gnu-gcc --sysroot=$root" CC_FOR_BUILD=cc \
		AR=aarch64-linux-gnu-ar
	PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$lib/pkgconfig
	export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
	"$@" all >"$cache/aarch64.build" 2>&1 || {
		tail -n 30 "$cache/aarch64.build"
		return 1
	}
	for program in bufwriterd bufwriter bufwriter-ship; do
		"$emulator" -L "$root" "$build/aarch64/$program" --version ||
			return 1
	done
	BW_RUN="$emulator -L $root" TEST_TIMEOUT=600 \
		BW_SCALE=${BW_SCALE:-20} CK_TIMEOUT_MULTIPLIER=5 \
		"$@" check T="$aarch64_suites"
}

# --- musl --------------------------------------------------------------------

musl=$cache/musl

# The headers of the kernel, which musl does not have.
make_kernel_headers() {
	mkdir -p "$musl/include" "$musl/src" "$musl/lib" || return 1
	ln -sfn /usr/include/linux "$musl/include/linux"
	ln -sfn /usr/include/asm-generic "$musl/include/asm-generic"
	ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$musl/include/asm"
}

# cmake_build SOURCE OPTION...
cmake_build() {
	source=$1
	shift
	cmake -S "$source" -B "$source/out" -DCMAKE_C_COMPILER=musl-gcc \
		-DCMAKE_C_FLAGS="-O2 -idirafter $musl/include" \
		-DCMAKE_INSTALL_PREFIX="$musl" -DCMAKE_INSTALL_LIBDIR=lib \
		-DBUILD_TESTING=OFF "$@" &&
		make -C "$source/out" -j"$(nproc)" install
}

# source_of PACKAGE: of this release; or of a newer one, because a mirror does
# not keep every source
source_of() {
	# shellcheck disable=SC1091
	for release in "$(. /etc/os-release && echo "$VERSION_CODENAME")" stable; do
		apt "$native" source --download-only "$1/$release" && return
	done
	return 1
}

# sources: of each, unpacked in $musl/src, unless somebody has put them there
sources() {
	native=$(dpkg --print-architecture)
	set -- 'libuv*-*:libuv1' 'inih-*:libinih'
	for pair in "$@"; do
		[ -z "$(find "$musl/src" -maxdepth 1 -type d \
			-name "${pair%%:*}")" ] || continue
		[ -n "${updated-}" ] || apt "$native" update || return 1
		updated=yes
		(cd "$musl/src" && source_of "${pair#*:}") || return 1
		tar -C "$musl/src" -xf "$(find "$musl/src" \
			-name "${pair#*:}_*.orig.tar.*" ! -name '*.asc')" ||
			return 1
	done
}

make_libraries() {
	sources || return 1
	cmake_build "$musl"/src/libuv*-*/ -DLIBUV_BUILD_TESTS=OFF || return 1
	musl-gcc -O2 -DINI_USE_STACK=0 -c -o "$musl/ini.o" \
		"$musl"/src/inih-*/ini.c || return 1
	ar crs "$musl/lib/libinih.a" "$musl/ini.o" || return 1
	cp "$musl"/src/inih-*/ini.h "$musl/include"
}

# The library and the command need nothing but the C library: they are built,
# and the command sends to the daemon of this machine's C library.
smoke_musl() {
	set -- make -C "$top" BUILD="$build/musl-client" ZSTD=no CC=musl-gcc \
		CC_FOR_BUILD=cc dep_cflags= dep_libs= \
		CPPFLAGS="-idirafter $musl/include" LDFLAGS=-static
	mkdir -p "$build/musl-client"
	touch "$build/musl-client/needed" # but for libuv and inih
	"$@" "$build/musl-client/bufwriter" \
		"$build/musl-client/libbufwriter.a" >"$cache/musl.build" 2>&1 ||
		{
			tail -n 30 "$cache/musl.build"
			return 1
		}
	"$@" LDFLAGS= "$build/musl-client/libbufwriter.so" \
		>"$cache/musl.build" 2>&1 || {
		tail -n 30 "$cache/musl.build"
		return 1
	}
	"$build/musl-client/bufwriter" --version
}

port_musl() {
	made musl 'kernel headers' make_kernel_headers || return 1
	smoke_musl || return 1
	made libraries 'libuv inih' make_libraries || {
		echo "musl: libuv and inih cannot be fetched or built" \
			"(see $cache/libraries.log): the daemon is left out"
		return 0
	}
	PKG_CONFIG_LIBDIR=/nonexistent
	export PKG_CONFIG_LIBDIR
	uv=$(echo "$musl"/lib/libuv*.a)
	set -- make -C "$top" BUILD="$build/musl" ZSTD=no CC=musl-gcc \
		CC_FOR_BUILD=cc dep_libs="$uv $musl/lib/libinih.a" \
		dep_cflags="-I$musl/include" LDFLAGS=-static
	mkdir -p "$build/musl"
	touch "$build/musl/needed" # libuv and inih are not in the system
	"$@" "$build/musl/bufwriterd" "$build/musl/bufwriter" \
		"$build/musl/bufwriter-ship" >"$cache/musl.build" 2>&1 || {
		tail -n 30 "$cache/musl.build"
		return 1
	}
	for program in bufwriterd bufwriter bufwriter-ship; do
		"$build/musl/$program" --version || return 1
	done
	suites=
	for suite in $musl_suites; do
		suites="$suites $build/tests/e2e/$suite"
	done
	# shellcheck disable=SC2086 # a list
	(
		unset PKG_CONFIG_LIBDIR
		make -C "$top" BUILD="$build" $suites
	) || return 1
	# shellcheck disable=SC2086 # a list
	BW_BUILD=$build/musl BW_SAN='' BW_SCALE=${BW_SCALE:-20} \
		"$top/tests/run.sh" $suites
}

# --- all ---------------------------------------------------------------------

# has PROGRAM...
has() {
	for program in "$@"; do
		command -v "$program" >/dev/null || {
			echo "$program is not installed (make ports-deps)"
			return 1
		}
	done
}

has_aarch64() {
	has aarch64-linux-gnu-gcc || return 1
	command -v qemu-aarch64-static >/dev/null || has qemu-aarch64
}

has_musl() {
	has musl-gcc cmake
}

for port in "$@"; do
	echo "== $port"
	if ! "has_$port"; then
		echo "$port: left out"
		[ "${CI-}" != true ] || failed="$failed $port"
	elif (port_"$port"); then
		echo "$port: passed"
	else
		failed="$failed $port"
	fi
done
[ -z "$failed" ] || {
	echo "check-ports: FAILED:$failed"
	exit 1
}
echo "check-ports: passed"
