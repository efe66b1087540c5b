#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   run.sh [NAME...]
#
# Runs the tests of recipes and languages that need more than a compiler and
# Python, each with real programs, and three side by side.  A program that is not
# installed is named and left out; `make recipes-deps` installs all of them.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${BW_BUILD:=$here/../../build}"
export BW_BUILD
logs=$BW_BUILD/recipes/log
mkdir -p "$logs"

# clients: every language that is installed takes the shared cases
run_one() {
	status=0
	if [ "$1" = clients ]; then
		BW_CLIENTS=all timeout 1800 "$BW_BUILD/tests/e2e/test_clients" \
			>"$logs/$1.log" 2>&1 || status=$?
	else
		timeout 1800 "$here/$1.sh" >"$logs/$1.log" 2>&1 || status=$?
	fi
	case $status in
	0 | 77) grep -aE ': (each of|skipped: )|is not installed|^100%' \
		"$logs/$1.log" ;;
	*)
		cat "$logs/$1.log"
		echo "$1: FAILED, exit status $status"
		echo "$1" >>"$logs/failed"
		;;
	esac
}

if [ "${1-}" = --one ]; then
	run_one "$2"
	exit 0
fi

rm -f "$logs/failed"
# The longest first.
[ $# != 0 ] || set -- cron clients java go node apache php-fpm nginx haproxy \
	rsyslog syslog-ng container chroot systemd logger
printf '%s\n' "$@" | xargs -P 3 -I '{}' "$0" --one '{}'
if [ -e "$logs/failed" ]; then
	echo "recipes: failed: $(tr '\n' ' ' <"$logs/failed")"
	exit 1
fi
echo "recipes: passed"
