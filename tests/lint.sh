#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks format and code with the checkers that are installed, and names those
# that are missing.  The arguments are the preprocessor's flags.  With CI=true a
# missing checker is a failure.
set -u

build=${BW_BUILD:-build}
scratch=$build/lint
mkdir -p "$scratch"
failed=
missing=
# apparmor_parser is there, and others than root do not look there
PATH=$PATH:/usr/sbin

# have PROGRAM WHAT-FOR: is it installed?
have() {
	command -v "$1" >/dev/null 2>&1 && return 0
	missing="$missing $1"
	echo "lint: $1 is not installed: $2 left out (make deps)"
	return 1
}

# run NAME COMMAND...: runs a checker and shows what it found
run() {
	name=$1
	shift
	if "$@" >"$scratch/$name.log" 2>&1; then
		echo "lint: $name found nothing"
	else
		cat "$scratch/$name.log"
		echo "lint: $name found something"
		failed="$failed $name"
	fi
}

# tidy FLAGS: one process for each file; in a process for all, version 14
# reports va_lists of functions that have none
tidy() {
	files=$sources
	# it is built only where libnats is
	pkg-config --exists libnats 2>/dev/null ||
		files=$(echo "$sources" | grep -v '^client/nats/')
	# shellcheck disable=SC2086 # a list of files
	printf '%s\n' $files | xargs -P "$(nproc)" -I '{}' \
		clang-tidy --quiet '{}' -- -std=gnu11 "$@" 2>&1 |
		grep -v '^[0-9]* warnings\? generated\.$' >"$scratch/tidy"
	cat "$scratch/tidy"
	! grep -q -e ': error: ' -e ': warning: ' "$scratch/tidy"
}

# The checker wants every file to exist that a unit names, and the daemon is
# not installed.
units() {
	mkdir -p "$scratch/units"
	for unit in systemd/*.service systemd/*.socket \
		systemd/centre/*.service; do
		sed -e 's,/usr/sbin/bufwriterd,/bin/true,' \
			-e 's,/usr/sbin/bufwriter-centre,/bin/true,' \
			-e 's,/usr/bin/rsync,/bin/true,' \
			-e 's,/usr/bin/bufwriter,/bin/true,' \
			-e '/^Documentation=/d' "$unit" \
			>"$scratch/units/${unit##*/}"
	done
	out=$(cd "$scratch/units" && systemd-analyze verify --man=no \
		./bufwriter.socket ./bufwriter.service \
		./bufwriter@lint.socket ./bufwriter@lint.service \
		./bufwriter-ship.service ./bufwriter-ship@lint.service \
		./bufwriter-centre.service ./bufwriter-centre-rsync.service \
		2>&1)
	echo "$out"
	[ -z "$out" ]
}

# exposure UNIT TENTHS: systemd's exposure level is at most that
exposure() {
	tenths=$(cd "$scratch/units" &&
		systemd-analyze security --offline=true --no-pager "$1" |
		sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
	echo "$1: exposure $tenths tenths, $2 allowed"
	[ -n "$tenths" ] && [ "$tenths" -le "$2" ]
}

# The parser says of a machine without AppArmor that nothing can be cached.
profile() {
	for file in systemd/apparmor*.conf; do
		apparmor_parser --skip-kernel-load --skip-cache "$file" 2>&1
	done | grep -v 'Kernel needs AppArmor' >"$scratch/profile"
	cat "$scratch/profile"
	! grep -q . "$scratch/profile"
}

# The template units differ from the plain ones in names only.
templates() {
	for kind in socket service; do
		sed -e 's/ (%i)$//' \
			-e 's/\(bufwriter\)@\(%i\)*\.\(socket\|service\)/\1.\3/' \
			-e 's,%t,/run,' -e 's/bufwriter-%i/bufwriter/g' \
			-e 's/%i\.ini/bufwriter.ini/' \
			-e '/^ExecStart=/s/ \\$//' -e '/^\t-o /d' \
			"systemd/bufwriter@.$kind" |
			diff -u "systemd/bufwriter.$kind" - || return 1
	done
	sed -e 's/ (%i)$//' -e 's,%t,/run,' -e 's/bufwriter-%i/bufwriter/g' \
		-e 's/ship-%i/ship/' -e 's/%i\.ini/bufwriter.ini/' \
		-e 's/bufwriter-ship@/bufwriter-ship/' \
		-e '/^ExecStart=/s/ \\$//' -e '/^\t-o /d' \
		systemd/bufwriter-ship@.service |
		diff -u systemd/bufwriter-ship.service -
}

# Rules of our own.  (The checker of licences takes the pattern for a licence.)
# REUSE-IgnoreStart
house() {
	ok=0
	for file in daemon/*.[ch] daemon/*/*.[ch] client/*/*.[ch] conf/*.[ch] \
		tests/*/*.[ch]; do
		[ -e "$file" ] || continue
		head -n 1 "$file" | grep -q 'SPDX-License-Identifier: MIT' || {
			echo "$file: no licence line"
			ok=1
		}
	done
	return $ok
}
# REUSE-IgnoreEnd

sizes() {
	for file in $sources; do
		lines=$(wc -l <"$file")
		[ "$lines" -le 500 ] ||
			echo "lint: $file has $lines lines: does it do two jobs?"
	done
}

sources=$(ls daemon/*.c daemon/*/*.c conf/*.c client/*/*.c)
all=$(ls daemon/*.[ch] daemon/*/*.[ch] conf/*.[ch] client/*/*.[ch] tests/*/*.[ch])
scripts=$(grep -rlE '^#!(/bin/sh|/usr/bin/env bash|/bin/bash)' tests .ci conf \
	systemd/centre 2>/dev/null)

manual=$(ls daemon/*.[78] client/*.[17] client/library/*.3 client/nats/*.1 systemd/centre/*.8 "$build"/man/* 2>/dev/null)

# shellcheck disable=SC2086 # lists of files
{
	run house house
	run layers tests/layers.sh
	have reuse licences && run reuse reuse lint
	sizes
	have clang-format layout &&
		run clang-format clang-format --dry-run --Werror $all
	have clang-tidy analysis &&
		run clang-tidy tidy "$@"
	have cppcheck analysis &&
		run cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 \
			--enable=warning,performance,portability \
			--inline-suppr --suppress=missingIncludeSystem \
			--suppress=checkersReport --suppress=ctuuninitvar \
			-D_GNU_SOURCE -DBW_FAILPOINTS $sources
	have shellcheck scripts &&
		run shellcheck shellcheck $scripts
	[ -n "$manual" ] && have mandoc manual &&
		run mandoc mandoc -T lint -W warning $manual
	have systemd-analyze units && {
		run units units
		run security exposure bufwriter.service 5
		run security-template exposure bufwriter@.service 5
		# it needs the network
		run security-ship exposure bufwriter-ship.service 12
		run security-ship-template exposure bufwriter-ship@.service 12
		run security-centre exposure bufwriter-centre.service 5
		# it needs the network, and root for the chroot
		run security-centre-rsync exposure bufwriter-centre-rsync.service 22
	}
	run templates templates
	have apparmor_parser profile &&
		run apparmor profile
}

[ -z "$missing" ] || [ "${CI-}" != true ] || failed="$failed (missing$missing)"
[ -z "$failed" ] || {
	echo "lint:$failed"
	exit 1
}
echo "lint: passed"
