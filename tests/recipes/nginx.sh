#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/nginx.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin nginx
needs nginx nginx-light

get() {
	"$python" "$top/tests/recipes/get.py" "$work/http" "$1" "$2"
}

{
	echo "daemon off; pid $work/nginx.pid; error_log $work/nginx.err;"
	block recipes/nginx.md 1 | sed "s,listen 8080,listen unix:$work/http,"
} >"$work/nginx.conf"
background nginx -p "$work" -c "$work/nginx.conf"
until_true test -S "$work/http"
phases get
expect
expect_line '<190>.* nginx: .* 200 "GET /\?id=60\. HTTP/1\.0"'
echo "$name: each of $total messages once"
