#!/bin/sh
# SPDX-License-Identifier: MIT
#
# client/recipes/container.md: a mount namespace with a root of its own, which
# has the programs and of /run only the socket's directory.  The socket is made
# anew, because here the daemon makes it.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin container
unshare -m true 2>/dev/null || skip "mount namespaces are not permitted"
root=$work/root
mkdir -p "$root/run/bufwriter-socket" "$root/build" "$root/tmp"
cat >"$work/enter" <<SH
set -e
mount -t tmpfs none "$root"
mkdir -p "$root/run/bufwriter-socket" "$root/build" "$root/proc"
for dir in usr bin lib lib64 sbin; do
	[ -d "/\$dir" ] || continue
	if [ -h "/\$dir" ]; then
		cp -P "/\$dir" "$root/\$dir"
	else
		mkdir "$root/\$dir"
		mount --rbind "/\$dir" "$root/\$dir"
	fi
done
mount --bind "$BW_BUILD" "$root/build"
mount --bind "$work/run" "$root/run/bufwriter-socket"
mount -o remount,bind,ro "$root/run/bufwriter-socket"
exec chroot "$root" /bin/sh -c '
	export BUFWRITER_SOCKET=/run/bufwriter-socket/bufwriter.sock
	while read -r n; do
		/build/bufwriter send -q -t 60s "id=\$n."
	done'
SH
mkfifo "$work/numbers"
exec 9<>"$work/numbers"
background unshare -m sh "$work/enter" <&9

log() {
	seq "$1" "$2" >&9
	until_true all_there "$2"
}


phases log
kill -TERM "$holder"
wait "$holder" 2>/dev/null || :
rm -f "$sock"
daemon_start
log 61 80
expect 80
expect_line 'id=80\.'
echo "$name: each of 80 messages once"
