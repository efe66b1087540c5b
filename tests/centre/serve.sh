#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   serve.sh DIR PORT
#
# Runs the rsync daemon of the centre kit on loopback, with the kit's own
# configuration, and starts it again when it is killed.  DIR/root is the root
# of the centre, and DIR/secrets has the passwords.  Only paths, users and, for
# a user other than root, the chroot differ from what the package installs.
set -eu
dir=$1
port=$2
kit=$(cd "$(dirname "$0")/../../systemd/centre" && pwd)

chroot=yes
[ "$(id -u)" = 0 ] || chroot=no
# A test that kills half of a server does not wait as long as a centre may.
sed -e "s|^path = .*|path = $dir/root|" \
	-e "s|^use chroot = .*|use chroot = $chroot|" \
	-e "s|^uid = .*|uid = $(id -u)|" -e "s|^gid = .*|gid = $(id -g)|" \
	-e "s|^secrets file = .*|secrets file = $dir/secrets|" \
	-e "s|^lock file = .*|lock file = $dir/connections|" \
	-e "s|^timeout = .*|timeout = ${SERVE_TIMEOUT:-10}|" \
	-e "s|^syslog tag = .*|log file = $dir/rsyncd.log|" \
	"$kit/rsyncd.conf" >"$dir/rsyncd.conf"
while :; do
	rsync --daemon --no-detach --address=127.0.0.1 --port="$port" \
		--config="$dir/rsyncd.conf" || :
	sleep 0.1 || :
done
