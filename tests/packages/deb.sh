#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Debian packages: lintian finds nothing in them, and who builds them from
# the same source gets the same bytes.
#
# `make deb` has built them once, in $BW_BUILD/deb.  This script builds them
# again from a copy of the source: in another directory, with another umask,
# time, time zone, locale, home and number of jobs, and with other times and
# modes of the source files.  Then it compares each package byte by byte, and
# names the files that differ.
set -eu

build=${BW_BUILD:-$PWD/build}
version=$(sed -n 's/^VERSION := //p' Makefile)
failed=0

command -v dpkg-buildpackage >/dev/null || {
	echo "check-packages: dpkg-dev is not installed (make deps)" >&2
	exit 1
}

# --- lintian -----------------------------------------------------------------

if command -v lintian >/dev/null; then
	# The overrides in systemd/debian say why what they allow is right.
	# Root may run it, because these packages are our own.
	if lintian --allow-root --fail-on error,warning \
		"$build"/deb/*.changes; then
		echo "lintian: no error, no warning"
	else
		failed=1
	fi
else
	echo "lintian is not installed (make deps): left out"
	[ "${CI-}" != true ] || failed=1
fi

# --- the same bytes ----------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/bw-packages.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tree=$work/quite/another/place

# another_locale: one that is installed, and is not the one of this shell
another_locale() {
	for name in $(locale -a) C; do
		[ "$name" = "${LC_ALL-}" ] || [ "$name" = "${LANG-}" ] ||
			[ "$name" = C ] || break
	done
	echo "$name"
}

# elsewhere: builds in $tree; the time that programs see is 400 days later, if
# faketime is installed
elsewhere() {
	later=
	! command -v faketime >/dev/null || later='faketime -f +400d'
	umask 077
	mkdir -p "$tree"
	# No -a: the copies have modes and times of their own.
	cp -R Makefile LICENSE README.md daemon client conf systemd tests "$tree"
	cd "$tree"
	# shellcheck disable=SC2086 # words on purpose
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u LANG -u LANGUAGE -u BUILD \
		-u VERSION TZ=Asia/Kathmandu LC_ALL="$(another_locale)" \
		HOME="$work" DEB_BUILD_OPTIONS=parallel=3 $later make deb
}

# show NAME: what differs in the package, a file a line
show() {
	for side in here there; do
		case $side in
		here) deb=$build/deb/$1 ;;
		there) deb=$tree/build/deb/$1 ;;
		esac
		dpkg-deb -R "$deb" "$work/$side"
		{
			dpkg-deb -c "$deb"
			dpkg-deb --ctrl-tarfile "$deb" | tar -tv
		} >"$work/$side.list"
	done
	diff -rq "$work/here" "$work/there" |
		sed "s,$work/here/,,; s,$work/there/,," || :
	diff "$work/here.list" "$work/there.list" || :
	rm -rf "$work/here" "$work/there"
}

if (elsewhere) >"$work/log" 2>&1; then
	same=0
	for deb in "$build"/deb/*_"$version"_*.deb; do
		name=${deb##*/}
		if cmp -s "$deb" "$tree/build/deb/$name"; then
			same=$((same + 1))
		else
			echo "$name: built twice, and not the same:"
			show "$name"
			failed=1
		fi
	done
	echo "$same packages are the same, built twice"
	[ "$same" -ge 4 ] || failed=1
else
	cat "$work/log"
	failed=1
fi

if [ "$failed" = 0 ]; then
	echo "Debian packages: passed"
else
	echo "Debian packages: FAILED"
fi
exit "$failed"
