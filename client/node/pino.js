// SPDX-License-Identifier: MIT
//
// A transport for pino: a stream that takes lines and sends each as a message.
'use strict';

const { Writable } = require('node:stream');
const { Writer } = require('./lib/writer.js');

module.exports = function transport(options) {
  const writer = new Writer(options);
  let rest = '';

  return new Writable({
    decodeStrings: false,
    // pino gives many lines at once, and may end within one.
    write(chunk, encoding, callback) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) writer.write(line);
      callback();
    },
    final(callback) {
      if (rest) writer.write(rest);
      writer.closeSync();
      callback();
    },
  });
};
