// SPDX-License-Identifier: MIT
//
// A writer: numbers messages, puts them into blocks, and learns from the child
// what became of each one.
'use strict';

const { EventEmitter } = require('node:events');
const { Child } = require('./child.js');

const BLOCK_BYTES = 64 * 1024;
const HEAD_BYTES = 4;
// Between two tries to write into a full pipe, and to start a child.
const PIPE_PAUSE_MS = 2;
const CHILD_PAUSE_MS = 1000;
const TELL_EVERY_MS = 1000;

const KINDS = {
  'too-large': ['EMSGSIZE', 'the message is larger than the daemon accepts'],
  timeout: ['ETIMEDOUT', "the daemon's queue stayed full"],
  'no-daemon': ['ECONNREFUSED', 'no daemon listens on the socket'],
  'not-permitted': ['EACCES', 'this user may not write to the socket'],
  'wrong-socket': ['EPROTOTYPE', "the path is not the daemon's socket"],
  error: ['EIO', 'the message could not be sent'],
  full: ['ENOBUFS', "the writer's memory for messages is full"],
  unknown: ['EPIPE', '`bufwriter send` ended; the message may have arrived'],
};

function makeError(word, cause) {
  const [code, text] = KINDS[word] || KINDS.error;
  const error = new Error(`bufwriter: ${text}`, cause && { cause });
  error.code = code;
  return error;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));
const writers = new Set();

process.on('exit', () => {
  for (const writer of writers) writer.closeSync();
});

class Writer extends EventEmitter {
  // socket: the daemon's; default: $BUFWRITER_SOCKET or /run/bufwriter.sock
  // timeout: milliseconds that a message may wait, or Infinity
  // memory: bytes of messages that may wait in this process
  // command: the program `bufwriter`
  constructor(options = {}) {
    super();
    const { socket, timeout = 100, memory = 16 << 20, command } = options;
    this.command = command || 'bufwriter';
    this.timeout = timeout;
    this.memory = memory;
    this.args = ['send', '--quiet', '--length', '--answer', '--timeout',
      timeout === Infinity ? 'never' : `${Math.ceil(timeout)}ms`];
    if (socket) this.args.push('--socket', socket);
    this.dropped = 0;
    this.closed = false;
    this.child = null;
    this.retryAt = 0;
    // What the pipe has not taken: [buffer, begin, end, number of the last
    // message].
    this.piped = 0; // number of the last message in the pipe
    this.blocks = [];
    this.blockBytes = 0;
    this.block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.used = 0;
    // Numbers of messages, from 1 for each child: of the last one that was
    // put into a block, and of the last one that is decided.
    this.number = 0;
    this.decided = 0;
    // [number, callback, whether it is a flush's], in order
    this.waiting = [];
    this.waitingFrom = 0;
    this.scheduled = false;
    this.untold = 0;
    this.toldAt = -Infinity;
    this.onImmediate = () => {
      this.scheduled = false;
      this.push();
    };
    writers.add(this);
  }

  // Hands over one message, a string (as UTF-8) or bytes.  callback(error) is
  // called when the message is the daemon's, or is dropped.  Without a
  // callback, the event `drop` tells a dropped message.  Returns false if the
  // writer's memory is full: the message is dropped.
  write(message, callback) {
    if (this.closed) return this.refuse('unknown', callback);
    const isText = typeof message === 'string';
    const most = HEAD_BYTES + (isText ? message.length * 3 : message.length);
    if (most > BLOCK_BYTES - this.used) {
      if (most + this.blockBytes + this.used > this.memory) {
        this.push();
        if (most + this.blockBytes + this.used > this.memory)
          return this.refuse('full', callback);
      }
      this.endBlock(most);
    }
    const at = this.used;
    const length = isText
      ? this.block.write(message, at + HEAD_BYTES, 'utf8')
      : (this.block.set(message, at + HEAD_BYTES), message.length);
    this.block.writeUInt32LE(length, at);
    this.used = at + HEAD_BYTES + length;
    this.number++;
    if (callback) {
      if (this.waiting.length === 0 && this.child) this.child.awaited(true);
      this.waiting.push([this.number, callback, false]);
    }
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(this.onImmediate);
    }
    return true;
  }

  refuse(word, callback) {
    this.drop(makeError(word), callback);
    return false;
  }

  // The block takes no more messages; the next one has room for `bytes`.
  endBlock(bytes) {
    if (this.used > 0) {
      this.blocks.push([this.block, 0, this.used, this.number]);
      this.blockBytes += this.used;
      this.block = null;
      this.used = 0;
      this.push();
    }
    if (this.block === null || this.block.length < bytes)
      this.block = Buffer.allocUnsafe(Math.max(BLOCK_BYTES, bytes));
  }

  // Gives the pipe what it takes at once.
  push() {
    while (this.blocks.length > 0 || this.used > 0) {
      if (!this.start()) return this.later();
      const last = this.blocks.length === 0;
      const part = last ? [this.block, 0, this.used, this.number]
        : this.blocks[0];
      let n;
      try {
        n = this.child.write(part[0], part[1], part[2] - part[1]);
      } catch (error) {
        this.lost(error);
        continue;
      }
      if (last && n === this.used) {
        this.used = 0;
        this.piped = this.number;
        continue;
      }
      if (last) {
        // The rest leaves the block, so that the next messages follow it.
        this.blocks.push(part);
        this.blockBytes += this.used;
        this.block = Buffer.allocUnsafe(BLOCK_BYTES);
        this.used = 0;
      }
      part[1] += n;
      this.blockBytes -= n;
      if (part[1] < part[2]) return this.later();
      this.blocks.shift();
      this.piped = part[3];
    }
  }

  later() {
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(this.onImmediate, this.child ? PIPE_PAUSE_MS :
      Math.max(1, this.retryAt - Date.now()));
  }

  // There is a child.  False: it is too early for another one.
  start() {
    if (this.child) return true;
    if (Date.now() < this.retryAt) return false;
    this.retryAt = Date.now() + CHILD_PAUSE_MS;
    try {
      const child = new Child({
        command: this.command,
        args: this.args,
        onAnswer: (number, word) => {
          if (child === this.child) this.answer(number, word);
        },
        onEnd: (error) => {
          if (child === this.child) this.lost(error);
        },
      });
      this.child = child;
    } catch (error) {
      this.lost(error);
      return false;
    }
    if (this.waiting.length > 0) this.child.awaited(true);
    return true;
  }

  // What the child said.
  answer(number, word) {
    if (word === 'done') {
      this.decided = number;
      this.settle(number, null);
      return;
    }
    this.settle(number - 1, null);
    this.decided = number;
    const first = this.waiting[this.waitingFrom];
    const own = first && first[0] === number && !first[2];
    const callback = own ? first[1] : undefined;
    if (own) this.waitingFrom++;
    this.drop(makeError(word), callback);
    this.trim();
  }

  // Calls the callbacks of all messages up to this number.
  settle(number, error) {
    while (this.waitingFrom < this.waiting.length &&
           this.waiting[this.waitingFrom][0] <= number)
      this.waiting[this.waitingFrom++][1](error);
    this.trim();
  }

  trim() {
    if (this.waitingFrom < this.waiting.length) return;
    if (this.waitingFrom > 0) {
      this.waiting = [];
      this.waitingFrom = 0;
      if (this.child) this.child.awaited(false);
    }
  }

  // The child is gone.  What it had not answered may have arrived or not, and
  // is not sent again: each message arrives at most once.
  lost(error) {
    const unknown = this.number - this.decided;
    const waiting = this.waiting.slice(this.waitingFrom);
    const callbacks = waiting.filter((entry) => !entry[2]);
    if (this.child) this.child.close();
    this.child = null;
    this.blocks = [];
    this.blockBytes = 0;
    this.used = 0;
    this.number = 0;
    this.decided = 0;
    this.piped = 0;
    this.waiting = [];
    this.waitingFrom = 0;
    const failure = makeError('unknown', error);
    for (let i = callbacks.length; i < unknown; i++) this.drop(failure);
    for (const [, callback] of callbacks) this.drop(failure, callback);
    for (const [, callback, isFlush] of waiting) if (isFlush) callback();
  }

  drop(error, callback) {
    this.dropped++;
    if (callback) {
      callback(error);
    } else if (this.listenerCount('drop') > 0) {
      this.emit('drop', error);
    } else if (!this.tellDrop || !this.tellDrop(error)) {
      this.untold++;
      const now = Date.now();
      if (now - this.toldAt >= TELL_EVERY_MS) this.tell(error, now);
    }
  }

  tell(error, now) {
    process.stderr.write(
      `bufwriter: ${this.untold} messages dropped: ${error.message}\n`);
    this.untold = 0;
    this.toldAt = now;
  }

  // Writes everything into the pipe, waits for the child to take it, for
  // `ms` at most, and returns true if all is in the pipe.  The process does
  // nothing else meanwhile.
  flushSync(ms = Math.max(1000, Math.min(this.timeout, 60000))) {
    const end = Date.now() + ms;
    for (;;) {
      this.push();
      if (this.blocks.length === 0 && this.used === 0) return true;
      if (Date.now() >= end) return false;
      Atomics.wait(sleeper, 0, 0, PIPE_PAUSE_MS);
    }
  }

  // callback() is called when each message so far is decided.
  flush(callback) {
    if (this.number === this.decided) return setImmediate(callback);
    if (this.waiting.length === 0 && this.child) this.child.awaited(true);
    this.waiting.push([this.number, () => callback(), true]);
    this.push();
  }

  // Flushes into the pipe; the child then ends by itself.
  closeSync() {
    if (this.closed) return;
    if (!this.flushSync()) {
      this.untold += this.number - this.piped;
      this.tell(makeError('timeout'), Date.now());
    }
    this.closed = true;
    writers.delete(this);
    if (this.child) this.child.close();
  }

  // The same when each message is decided.
  close(callback = () => {}) {
    this.flush(() => {
      this.closeSync();
      callback();
    });
  }
}

module.exports = { Writer };
