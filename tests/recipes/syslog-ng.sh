#!/bin/sh
# SPDX-License-Identifier: MIT
#
# client/recipes/syslog-ng.md.  Debian's package conflicts with rsyslog's, so
# install.sh unpacks it below the build directory.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin syslog-ng
needs logger bsdutils
root=$BW_BUILD/recipes/syslog-ng
if [ -x "$root/usr/sbin/syslog-ng" ]; then
	lib=$root/usr/lib/syslog-ng
	LD_LIBRARY_PATH=$lib:$(echo "$lib"/*/)
	export LD_LIBRARY_PATH
	set -- "$root/usr/sbin/syslog-ng" --module-path "$(echo "$lib"/3*/)"
elif command -v syslog-ng >/dev/null 2>&1; then
	set -- syslog-ng
else
	skip "syslog-ng-core is not installed"
fi

log() {
	seq "$1" "$2" | sed 's/.*/id=&./' |
		logger --socket-errors=on -u "$work/log.sock" -t shop
	until_true all_there "$2"
}

{
	echo "@version: 3.38"
	echo "source s_src { unix-dgram(\"$work/log.sock\"); };"
	block recipes/syslog-ng.md 1
} >"$work/syslog-ng.conf"
background "$@" -F --no-caps -f "$work/syslog-ng.conf" \
	-R "$work/persist" -p "$work/syslog-ng.pid" -c "$work/syslog-ng.ctl"
until_true test -S "$work/log.sock"
unset LD_LIBRARY_PATH
phases log
expect
expect_line '20[0-9-]*T.* shop: id=60\.'
echo "$name: each of $total messages once"
