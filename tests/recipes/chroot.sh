#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/chroot.md: with a second socket in the chroot, and with a mount.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
busybox=$(command -v busybox) || busybox=

said() {
	[ "$(cat "$work/root/done")" = "$1" ]
}

log() {
	seq "$1" "$2" >&9
	until_true said "$2"
}

# One chroot for the whole test, as the daemon would have it.
make_root() {
	mkdir -p "$work/root/dev" "$work/root/bin"
	cp "$busybox" "$work/root/bin/busybox"
	cat >"$work/root/bin/daemon" <<'SH'
while read -r n; do
	logger -t shop "id=$n."
	echo "$n" >/done
done
SH
	mkfifo "$work/numbers"
	exec 9<>"$work/numbers"
}

# count LINE
count() {
	phases log
	expect
	expect_line "$1"
	echo "$name: each of $total messages once"
}

inside="/bin/busybox env PATH=/bin /bin/busybox sh -c \
	'/bin/busybox --install -s /bin; exec sh /bin/daemon'"

(
	also=root/dev/log
	begin chroot socket.strip=tag
	[ "$busybox" ] || skip "busybox-static is not installed"
	make_root
	background sh -c "exec chroot $work/root $inside <&9"
	count 'shop: id=60\.'
)
(
	begin "chroot with a mount"
	[ "$busybox" ] || skip "busybox-static is not installed"
	unshare -m true 2>/dev/null || skip "mount namespaces are not permitted"
	make_root
	: >"$work/root/dev/log"
	background unshare -m sh -c "mount --bind $sock $work/root/dev/log &&
		exec chroot $work/root $inside <&9"
	count '<13>.* shop: id=60\.'
)
