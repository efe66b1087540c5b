#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Tests the Debian packages and the units on a real systemd: boots a Debian 12
# tree in a container and runs inside.sh there, as root.
#
# The script makes the tree once and keeps it in BW_TREE; a run writes to an
# overlay in memory, which is discarded at the end.  A run leaves in
# $BW_BUILD/systemd: result (what it has shown), console and journal.
#
# Exit status: 0 passed, 1 failed, 77 this machine cannot boot a container.
set -eu

build=${BW_BUILD:-$PWD/build}
tree=${BW_TREE:-/var/cache/bufwriter-check-systemd}
# By default the packages come from where this machine gets its own.  apt-get
# replaces $(REPO_URI), not the shell.
# shellcheck disable=SC2016
mirror=${BW_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
	'Created-By: Packages' 2>/dev/null | head -n 1)}
share=$build/systemd
include=systemd,systemd-sysv,dbus,libuv1,libinih1,libzstd1,procps,rsync
include=$include,openssh-server,openssh-client,python3-minimal

skip() {
	echo "skipped: $*"
	exit 77
}

[ "$(id -u)" = 0 ] || skip "booting a container takes root"
for program in systemd-nspawn debootstrap dpkg-buildpackage dh; do
	command -v "$program" >/dev/null ||
		skip "$program is not installed (make deps)"
done

# Builds two versions, because an upgrade is part of the test.
rm -rf "$share"
mkdir -p "$share"
version=$(sed -n 's/^VERSION := //p' Makefile)
for step in old new; do
	[ "$step" = old ] || version=$version.1
	make BUILD="$share/$step" VERSION="$version" deb >"$share/$step.log" 2>&1 ||
		{
			cat "$share/$step.log"
			exit 1
		}
	mkdir "$share/$step.debs"
	mv "$share/$step"/deb/*bufwriter*_"$version"_*.deb "$share/$step.debs"
	rm -rf "${share:?}/$step" "$share/$step.debs"/*dbgsym*
done
cp tests/systemd/inside.sh "$share"
: >"$share/result"

# The name of the tree depends on its content, so that a change makes a new
# tree.
made=$tree/made-of
want="$mirror $include"
if [ "$(cat "$made" 2>/dev/null)" != "$want" ]; then
	echo "Making a Debian 12 tree in $tree, once"
	rm -rf "$tree"
	mkdir -p "$tree"
	debootstrap --variant=minbase --include="$include" bookworm \
		"$tree/root" "$mirror" >"$share/debootstrap.log" 2>&1 || {
		tail -n 5 "$share/debootstrap.log"
		skip "debootstrap cannot make a Debian tree here"
	}
	units=$tree/root/etc/systemd/system
	cat >"$units/bufwriter-check.service" <<-'UNIT'
		[Unit]
		After=multi-user.target
		[Service]
		Type=oneshot
		ExecStart=/check/inside.sh
		[Install]
		WantedBy=multi-user.target
	UNIT
	mkdir -p "$units/multi-user.target.wants"
	ln -s ../bufwriter-check.service "$units/multi-user.target.wants/"
	echo "$want" >"$made"
fi

# The container is not registered, so it needs no systemd outside.
timeout -k 10 "${BW_CHECK_TIMEOUT:-1800}" systemd-nspawn --quiet --boot \
	--directory="$tree/root" --machine="bufwriter-check-$$" \
	--register=no --keep-unit --private-network --volatile=overlay \
	--bind="$share":/check --console=pipe \
	</dev/null >"$share/console" 2>&1 &
container=$!
trap 'kill "$container" 2>/dev/null || :' EXIT INT TERM

# Shows the result as it grows, until the container has ended.
tail -n +1 -s 0.2 --pid="$container" -f "$share/result"
status=0
wait "$container" || status=$?
trap - EXIT

[ -s "$share/result" ] || {
	tail -n 5 "$share/console"
	skip "the container does not boot here (systemd-nspawn: $status)"
}
# The last line is the sum, unless inside.sh was interrupted.
tail -n 1 "$share/result" | grep -q '^[0-9]* passed, 0 failed$' || {
	echo "check-systemd: failed (systemd-nspawn: $status)," \
		"see $share/journal and console"
	exit 1
}
