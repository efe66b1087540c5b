#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The RPM packages that `make rpm` has built hold what the Debian packages of
# `make deb` hold: the same files, modes, links and settings.  Their scripts
# are programs of the shell, and all of the packages can be installed together.
set -eu

build=${BW_BUILD:-$PWD/build}
version=$(sed -n 's/^VERSION := //p' Makefile)
work=$(mktemp -d "${TMPDIR:-/tmp}/bw-rpm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
failed=0

# wrong TEXT
wrong() {
	echo "$*"
	failed=1
}

# common: MODE PATH [-> TARGET] of standard input, without what differs on
# purpose: the directories of the libraries and of the units, compression of
# documents, and where a distribution keeps its own notes
common() {
	sed -e 's,/lib/systemd/system/,/UNITS/,; s,/usr/UNITS/,/UNITS/,' \
		-e "s,$1/,/LIB/," -e 's,\.gz$,,' |
		grep -v -e '/usr/share/lintian/' -e '/\.build-id' \
			-e '/usr/share/doc/[^/]*/\(copyright\|changelog\)' \
			-e '/usr/share/licenses/' -e '/LICENSE$' |
		LC_ALL=C sort
}

# deb_files PACKAGE
deb_files() {
	dpkg-deb -c "$build/deb/${1}_${version}"_*.deb |
		sed -n -e '/^d/d' -e 's,^\([^ ]*\) .* \./,\1 /,p' |
		sed -e 's,^\([^ ]*\) .* \./,\1 /,' |
		common "/usr/lib/$(dpkg-architecture -q DEB_HOST_MULTIARCH)"
}

# rpm_files PACKAGE
rpm_files() {
	rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES} -> %{FILELINKTOS}\n]' \
		"$(package "$1")" | sed -e '/^d/d' -e 's/ -> $//' |
		common "$(rpm --eval '%{_libdir}')"
}

# package NAME: the file of this RPM package
package() {
	echo "$build/rpm/$1-$version"-*.rpm
}

# compare DEBIAN RPM
compare() {
	deb_files "$1" >"$work/deb"
	rpm_files "$2" >"$work/rpm"
	[ -s "$work/deb" ] || wrong "$1: no files"
	diff -U 0 "$work/deb" "$work/rpm" ||
		wrong "$1 (Debian, -) and $2 (RPM, +) differ"
	{
		dpkg-deb --ctrl-tarfile "$build/deb/${1}_${version}"_*.deb |
			tar -xO ./conffiles 2>/dev/null || :
	} | sort >"$work/deb"
	rpm -qpc "$(package "$2")" | grep -v 'no files' | sort >"$work/rpm"
	diff -U 0 "$work/deb" "$work/rpm" ||
		wrong "settings of $1 (Debian, -) and $2 (RPM, +) differ"
	rpm -qp --scripts "$(package "$2")" |
		sed 's/^[a-z]* scriptlet (using [^)]*):$//' \
			>"$work/scripts"
	sh -n "$work/scripts" || wrong "$2: its scripts are wrong"
	! grep -n '%[a-z_]\{4\}' "$work/scripts" ||
		wrong "$2: a macro that nobody defines"
	echo "$2: $(wc -l <"$work/rpm") settings," \
		"$(rpm_files "$2" | wc -l) files, as in $1"
}

compare bufwriter bufwriter
compare bufwriter-centre bufwriter-centre
compare libbufwriter0 libbufwriter
compare libbufwriter-dev libbufwriter-devel

# In a root of its own, without its scripts.
mkdir "$work/root"
if rpm -i --root "$work/root" --nodeps --noscripts "$build"/rpm/*.rpm \
	>"$work/log" 2>&1; then
	"$work/root/usr/sbin/bufwriterd" --version
	rpm -V --root "$work/root" --nodeps --noscripts bufwriter \
		bufwriter-centre libbufwriter libbufwriter-devel ||
		wrong "what is installed is not what is in the packages"
elif [ "$(id -u)" = 0 ]; then
	cat "$work/log"
	wrong "the packages do not install"
else
	echo "only root can install them: left out"
fi

[ "$failed" = 0 ] || echo "RPM packages: FAILED"
[ "$failed" != 0 ] || echo "RPM packages: passed"
exit "$failed"
