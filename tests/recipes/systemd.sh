#!/bin/sh
# SPDX-License-Identifier: MIT
#
# client/recipes/systemd.md: the units are right, and their command, fed by a
# FIFO that both sides open as systemd does, loses nothing.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin systemd
needs systemd-analyze systemd

mkdir "$work/units"
block recipes/systemd.md 1 >"$work/units/shop-log.socket"
block recipes/systemd.md 2 >"$work/units/shop-log.service"
{
	block recipes/systemd.md 3
	echo 'ExecStart=/bin/true'
} >"$work/units/shop.service"
printf '[Socket]\nListenDatagram=/run/x\n' >"$work/units/bufwriter.socket"
printf '[Service]\nExecStart=/bin/true\n' >"$work/units/bufwriter.service"
said=$(cd "$work/units" && systemd-analyze verify --man=no ./shop-log.socket \
	./shop-log.service ./shop.service 2>&1) || fail "$said"
[ -z "$said" ] || fail "$said"

# systemd holds the FIFO open for reading and writing.
mkfifo "$work/shop.log"
exec 9<>"$work/shop.log"
command=$(sed -n 's/^ExecStart=//p' "$work/units/shop-log.service")
export BUFWRITER_SOCKET="$sock"
start() {
	# shellcheck disable=SC2086 # words on purpose
	background $command <&9
}

say() {
	seq "$1" "$2" | sed 's/.*/id=&./' >>"$work/shop.log"
}

start
phases say
# bufwriter send itself is stopped, and started when there is output again.
until_true all_there 60
kill -TERM "$last"
wait "$last" 2>/dev/null || :
say 61 80
start
expect 80
echo "$name: each of 80 messages once"
