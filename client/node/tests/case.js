// SPDX-License-Identifier: MIT
//
// The program of the cases in Node, see client/cases/README.md.
'use strict';

const readline = require('node:readline');
const { Writer } = require('../index.js');

const WORDS = { EMSGSIZE: 'too-large', ETIMEDOUT: 'timeout',
  ECONNREFUSED: 'no-daemon', EACCES: 'not-permitted' };
const writer = new Writer();

async function main() {
  for await (const line of readline.createInterface(process.stdin)) {
    const [verb, hex] = line.split(' ');
    if (verb === 'fork') {
      process.stdout.write('unsupported\n');
      continue;
    }
    await new Promise((resolve) => {
      writer.write(Buffer.from(hex, 'hex'), (error) => {
        process.stdout.write(
          `${error ? WORDS[error.code] || error.message : 'ok'}\n`, resolve);
      });
    });
  }
}

main();
