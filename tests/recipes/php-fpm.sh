#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/php-fpm.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin php-fpm
fpm=$(command -v php-fpm8.2) || skip "php-fpm is not installed"

request() {
	"$python" "$top/tests/recipes/fcgi.py" "$work/php.sock" \
		"$work/page.php" "$1" "$2"
}

block recipes/php-fpm.md 1 |
	sed -e "s,/run/php-fpm.sock,$work/php.sock," \
		-e "s,^\[www\],&\nuser = root\ngroup = root," >"$work/fpm.conf"
cat >"$work/page.php" <<'PHP'
<?php
error_log('page id=' . $_SERVER['NUMBER'] . '.');
echo 'fine';
PHP
export BUFWRITER_SOCKET="$sock"
export fpm work
# The page's command, with the test's paths.
mkfifo "$work/pipe"
exec 9<>"$work/pipe"
background bufwriter send -q -t never <&9
"$fpm" --allow-to-run-as-root --nodaemonize --force-stderr \
	--fpm-config "$work/fpm.conf" >&9 2>&1 &
children="$children $!"
until_true test -S "$work/php.sock"
phases request
expect
expect_line '.*page id=60\.'
echo "$name: each of $total messages once"
