#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/apache.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin apache
needs apache2 apache2-bin

get() {
	"$python" "$top/tests/recipes/get.py" "$port" "$1" "$2"
}

answers() {
	get 0 0
}

port=$("$python" -c 'import socket; s = socket.socket()
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
modules=/usr/lib/apache2/modules
mkdir "$work/www"
echo fine >"$work/www/index.html"
{
	cat <<-CONF
		ServerRoot $work
		ServerName localhost
		PidFile $work/apache.pid
		DefaultRuntimeDir $work
		Listen 127.0.0.1:$port
		LoadModule mpm_event_module $modules/mod_mpm_event.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule dir_module $modules/mod_dir.so
		User nobody
		Group nogroup
		DocumentRoot $work/www
	CONF
	block recipes/apache.md 1
} >"$work/apache.conf"
chmod 755 "$work/www"
export BUFWRITER_SOCKET="$sock"
background apache2 -f "$work/apache.conf" -DFOREGROUND
until_true answers
phases get
until_true all_there "$total"
# The first request may have come before the test's own, as number 0.
lines | grep -v 'id=0\.' >"$work/filtered"
lines() {
	cat "$work/filtered"
}
expect
expect_line '127\.0\.0\.1 200 "GET /\?id=60\. HTTP/1\.0"'
echo "$name: each of $total messages once"
