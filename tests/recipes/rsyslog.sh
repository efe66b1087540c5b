#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/rsyslog.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin rsyslog
needs rsyslogd rsyslog
needs logger bsdutils

log() {
	seq "$1" "$2" | sed 's/.*/id=&./' |
		logger --socket-errors=on -u "$work/log.sock" -t shop
	until_true all_there "$2"
}

{
	cat <<-CONF
		module(load="imuxsock" SysSock.Use="off")
		input(type="imuxsock" Socket="$work/log.sock" RateLimit.Interval="0")
	CONF
	block recipes/rsyslog.md 1
} >"$work/rsyslog.conf"
background rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid"
until_true test -S "$work/log.sock"
phases log
expect
expect_line '20[0-9-]*T.* shop: id=60\.'
echo "$name: each of $total messages once"
