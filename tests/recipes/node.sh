#!/bin/sh
# SPDX-License-Identifier: MIT
#
# client/node: the page's examples with pino and winston of npm, and what the end
# of a process loses.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034,SC2015
set -eu
. "$(dirname "$0")/lib.sh"
# Without lanes for large messages, so that one is refused at the end.
begin node lanes.large=0
needs node nodejs
modules=$BW_BUILD/recipes/node/node_modules
[ -d "$modules/pino" ] && [ -d "$modules/winston" ] ||
	skip "pino and winston are not installed"

cp -r "$modules" "$work/node_modules"
cp -r "$top/client/node" "$work/node_modules/bufwriter"
cd "$work"
export BUFWRITER_SOCKET="$sock"

# program N REST: example N of the page, and more lines
program() {
	block node/README.md "$1" | sed -e 's/^log\.\(write\|info\).*//'
	cat
}

run() {
	node "$@" >>"$work/$name.out" 2>&1 || fail "node $* ended with $?"
}

# Each program writes a hundred messages, and ends in its own way.
program 1 >plain.js <<'JS'
const [from, end] = process.argv.slice(2);
for (let i = Number(from); i < Number(from) + 100; i++) log.write(`id=${i}.`);
if (end === 'exit') process.exit(0);
if (end === 'throw') throw new Error('on purpose');
if (end === 'signal') {
  process.on('SIGTERM', () => process.exit(0));
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => {}, 60000);
}
JS
run plain.js 1 end
restart
run plain.js 101 exit
sigkill
node plain.js 201 throw >/dev/null 2>&1 && fail "the exception was lost"
run plain.js 301 signal

program 3 >pino.js <<'JS'
for (let i = 401; i <= 450; i++) log.info(`id=${i}.`);
process.exit(0);
JS
run pino.js
# In pino's worker thread, once that has started.
program 2 </dev/null | sed -e 's/^const log = pino(\(.*\));$/const transport = \1;/' \
	>transport.js
cat >>transport.js <<'JS'
transport.on('ready', () => {
  const log = pino(transport);
  for (let i = 451; i <= 500; i++) log.info(`id=${i}.`);
  process.exit(0);
});
JS
run transport.js

program 4 >winston.js <<'JS'
for (let i = 501; i <= 600; i++) log.info(`id=${i}.`);
process.exit(0);
JS
run winston.js
expect 600
expect_line '\{.*"msg":"id=500\."\}'
expect_line '\{"level":"info","message":"id=600\."\}'

# A restart of the daemon while one process runs, and a kill of the child.
program 1 >long.js <<'JS'
const fs = require('node:fs');
let number = 600;
let lost = 0;
function some(count, callback) {
  let left = count;
  for (let i = 0; i < count; i++) {
    log.write(`id=${++number}.`, (error) => {
      if (error) lost++;
      if (--left === 0) callback();
    });
  }
}
function wait(name, callback) {
  if (fs.existsSync(name)) callback();
  else setTimeout(wait, 5, name, callback);
}
some(50, () => {
  fs.writeFileSync('one', '');
  wait('restarted', () => some(50, () => {
    process.kill(log.child.process.pid, 'SIGKILL');
    setTimeout(() => some(50, () => {
      if (lost > 0) process.exitCode = 3;
    }), 1100);
  }));
});
JS
node long.js >>"$work/$name.out" 2>&1 &
pid=$!
until_true test -e one
restart
touch restarted
wait "$pid" || fail "long.js ended with $?"
expect 750

# Drops are told: no daemon, and a message that is too large.
program 1 >drops.js <<'JS'
const assert = require('node:assert');
const codes = [];
log.write(Buffer.alloc(100000), (error) => {
  codes.push(error.code);
});
log.on('drop', (error) => codes.push(error.code));
log.write('x'.repeat(70000));
assert.strictEqual(log.write('x'.repeat(20 << 20)), false);
log.flush(() => {
  assert.deepStrictEqual(codes, ['ENOBUFS', 'EMSGSIZE', 'EMSGSIZE']);
  console.log('drops are told');
});
JS
run drops.js
grep -q 'drops are told' "$work/$name.out" || fail "drops are not told"
sed -e 's/new Writer()/new Writer({ command: "no-such-program" })/' \
	-e '/^const assert/,$d' drops.js >missing.js
cat >>missing.js <<'JS'
log.write('one');
JS
node missing.js 2>&1 | grep -q '1 messages dropped' ||
	fail "a missing program is not told"
expect 750
echo "$name: each of 750 messages once"
