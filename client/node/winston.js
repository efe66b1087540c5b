// SPDX-License-Identifier: MIT
//
// A transport for winston: each formatted entry is a message.
'use strict';

const Transport = require('winston-transport');
const { Writer } = require('./lib/writer.js');

const MESSAGE = Symbol.for('message');
const nothing = () => {};

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

  // A Writable schedules and counts each entry, to wait for log(), which never
  // makes it wait.  What winston pipes comes with an entry alone.
  write(info, ...rest) {
    const { ending, destroyed } = this._writableState;
    if (!info || rest.length > 0 || ending || destroyed)
      return super.write(info, ...rest);
    this._write(info, 'utf8', nothing);
    return true;
  }

  log(info, callback) {
    this.writer.write(info[MESSAGE]);
    callback();
  }

  close() {
    this.writer.closeSync();
  }
};
