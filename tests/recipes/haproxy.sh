#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/haproxy.md, with and without chroot.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"

get() {
	"$python" "$top/tests/recipes/get.py" "$work/http" "$1" "$2"
}

for chroot in "" "chroot @WORK@/root"; do
	(
		begin "haproxy${chroot:+ in a chroot}"
		needs haproxy haproxy
		block recipes/haproxy.md 1 | sed -e "s,:8080,unix@$work/http," \
			>"$work/haproxy.cfg"
		mount=:
		if [ -n "$chroot" ]; then
			unshare -m true 2>/dev/null ||
				skip "mount namespaces are not permitted"
			mkdir -p "$work/root$work/run"
			touch "$work/root$sock"
			sed -i "s,^global,&\n    chroot $work/root," \
				"$work/haproxy.cfg"
			mount="mount --bind $sock $work/root$sock"
		fi
		if [ -n "$chroot" ]; then
			background unshare -m sh -c "$mount && exec haproxy -f $work/haproxy.cfg"
		else
			background haproxy -f "$work/haproxy.cfg"
		fi
		until_true test -S "$work/http"
		phases get
		expect
		expect_line '.* 200 GET /\?id=60\.'
		echo "$name: each of $total messages once"
	)
done
