// SPDX-License-Identifier: MIT
//
// A transport for winston: each formatted entry is a message.
'use strict';

const Transport = require('winston-transport');
const { Writer } = require('./lib/writer.js');

const MESSAGE = Symbol.for('message');

module.exports = class BufwriterTransport extends Transport {
  constructor(options = {}) {
    super(options);
    this.writer = new Writer(options);
    // winston forwards a transport's warnings to its logger.
    this.writer.tellDrop = (error) => {
      if (this.listenerCount('warn') === 0) return false;
      this.emit('warn', error);
      return true;
    };
  }

  log(info, callback) {
    this.writer.write(info[MESSAGE]);
    callback();
  }

  close() {
    this.writer.closeSync();
  }
};
