#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/chroot.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin chroot
busybox=$(command -v busybox) || skip "busybox-static is not installed"
unshare -m true 2>/dev/null || skip "mount namespaces are not permitted"
mkdir -p "$work/root/dev" "$work/root/bin"
cp "$busybox" "$work/root/bin/busybox"
: >"$work/root/dev/log"

# One namespace and one chroot for the whole test, as the daemon would have it.
cat >"$work/root/bin/daemon" <<'SH'
while read -r n; do
	logger -t shop "id=$n."
	echo "$n" >/done
done
SH
mkfifo "$work/numbers"
exec 9<>"$work/numbers"
background unshare -m sh -c "mount --bind $sock $work/root/dev/log &&
	exec chroot $work/root /bin/busybox env PATH=/bin \
	/bin/busybox sh -c '/bin/busybox --install -s /bin; exec sh /bin/daemon' \
	<&9"

said() {
	[ "$(cat "$work/root/done")" = "$1" ]
}

log() {
	seq "$1" "$2" >&9
	until_true said "$2"
}

phases log
expect
expect_line '<13>.* shop: id=60\.'
echo "$name: each of $total messages once"
