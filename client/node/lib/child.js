// SPDX-License-Identifier: MIT
//
// The child `bufwriter send`, which hands the messages to the daemon, and the
// pipe to it.
//
// Node has no datagram sockets of the Unix kind, and it cannot write to the
// pipes of a child without its event loop.  So the pipe is a FIFO: its
// descriptor can be written to at once, also while the process ends, and what
// is in it reaches the daemon even after that.
'use strict';

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;

// Opens both ends of a FIFO that has no name any more.
function openPipe() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bufwriter-'));
  const name = path.join(dir, 'pipe');
  try {
    execFileSync('mkfifo', ['-m', '600', name]);
    const read = fs.openSync(name, O_RDONLY | O_NONBLOCK);
    return { read, write: fs.openSync(name, O_WRONLY | O_NONBLOCK) };
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

class Child {
  // onAnswer(number, word): as `bufwriter send --answer` prints it.
  // onEnd(error): the child has ended, or could not be started.
  constructor({ command, args, onAnswer, onEnd }) {
    const pipe = openPipe();
    this.fd = pipe.write;
    this.ended = false;
    // A session of its own: ^C ends this process, and the child then still
    // hands over what is in the pipe.
    this.process = spawn(command, args, {
      stdio: [pipe.read, 'pipe', 'inherit'],
      detached: true,
    });
    fs.closeSync(pipe.read);
    const end = (error) => {
      if (this.ended) return;
      this.close();
      onEnd(error);
    };
    this.process.on('error', end);
    this.process.on('exit', (status, signal) => {
      end(new Error(`${command} ended with ${signal || status}`));
    });
    let rest = '';
    this.process.stdout.setEncoding('latin1');
    this.process.stdout.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const [number, word] = line.split(' ');
        onAnswer(Number(number), word);
      }
    });
    this.process.unref();
    this.process.stdout.unref();
  }

  // Whether an answer that is still to come keeps this process alive.
  awaited(yes) {
    if (yes) {
      this.process.stdout.ref();
      this.process.ref();
    } else {
      this.process.stdout.unref();
      this.process.unref();
    }
  }

  // Writes what the pipe takes at once, and returns the number of bytes.
  write(buffer, offset, length) {
    try {
      return fs.writeSync(this.fd, buffer, offset, length);
    } catch (error) {
      if (error.code === 'EAGAIN') return 0;
      throw error;
    }
  }

  // Ends the child's input.
  close() {
    if (this.ended) return;
    this.ended = true;
    fs.closeSync(this.fd);
  }
}

module.exports = { Child };
