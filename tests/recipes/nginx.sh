#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/nginx.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"

get() {
	"$python" "$top/tests/recipes/get.py" "$work/http" "$1" "$2"
}

# run NAME LINE SETTING...: LINE is a line of the files, an expression
run() {
	line=$2
	begin "$1" "$3"
	needs nginx nginx-light
	{
		echo "daemon off; pid $work/nginx.pid;"
		echo "error_log $work/nginx.err;"
		block recipes/nginx.md 1 |
			sed "s,listen 8080,listen unix:$work/http,"
	} >"$work/nginx.conf"
	background nginx -p "$work" -c "$work/nginx.conf"
	until_true test -S "$work/http"
	phases get
	expect
	expect_line "$line"
	echo "$name: each of $total messages once"
}

request='unix: 200 "GET /\?id=60\. HTTP/1\.0"'
(run nginx "<190>.* nginx: $request" socket.strip=none)
(run "nginx without headers" "$request" socket.strip=syslog)
