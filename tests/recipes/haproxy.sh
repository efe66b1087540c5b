#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/haproxy.md, with and without chroot.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"

get() {
	"$python" "$top/tests/recipes/get.py" "$work/http" "$1" "$2"
}

# run NAME: haproxy.cfg is there
run() {
	until_true test -S "$work/http"
	phases get
	expect
	expect_line '.* 200 GET /\?id=60\.'
	echo "$name: each of $total messages once"
}

# configure [CHROOT]
configure() {
	needs haproxy haproxy
	block recipes/haproxy.md 1 | sed -e "s,:8080,unix@$work/http," \
		${1:+-e "s,^global,&\n    chroot $1,"} >"$work/haproxy.cfg"
}

(
	begin haproxy
	configure
	background haproxy -f "$work/haproxy.cfg"
	run
)
(
	also=root/bufwriter.sock
	begin "haproxy in a chroot"
	configure "$work/root"
	sed -i "s,log $sock,log /bufwriter.sock," "$work/haproxy.cfg"
	background haproxy -f "$work/haproxy.cfg"
	run
)
(
	begin "haproxy in a chroot with a mount"
	configure "$work/root"
	unshare -m true 2>/dev/null || skip "mount namespaces are not permitted"
	mkdir -p "$work/root$work/run"
	touch "$work/root$sock"
	background unshare -m sh -c "mount --bind $sock $work/root$sock &&
		exec haproxy -f $work/haproxy.cfg"
	run
)
