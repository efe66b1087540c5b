// SPDX-License-Identifier: MIT
//
// One log call in Node, until the message has left the process: bufwriter, and
// winston with bufwriter and with winston-syslog (UDP, as it has no other way
// without native code).  bench.js CALLS ROUNDS
'use strict';

const dgram = require('node:dgram');
const winston = require('winston');
const { Writer } = require('bufwriter');
const Bufwriter = require('bufwriter/winston');
const { Syslog } = require('winston-syslog');

const [calls, rounds] = process.argv.slice(2).map(Number);

function plain() {
  const writer = new Writer({ timeout: Infinity, memory: 1 << 30 });
  return {
    log: (text) => writer.write(text),
    done: (callback) => writer.flush(callback),
  };
}

function withBufwriter() {
  const transport = new Bufwriter({ timeout: Infinity, memory: 1 << 30 });
  const logger = winston.createLogger({ transports: [transport] });
  return {
    log: (text) => logger.info(text),
    done: (callback) => transport.writer.flush(callback),
  };
}

function withSyslog(port) {
  const transport = new Syslog({ host: '127.0.0.1', port, protocol: 'udp4' });
  let sent = 0;
  let wanted = 0;
  let callback = () => {};
  transport.on('logged', () => {
    if (++sent === wanted) callback();
  });
  const logger = winston.createLogger({
    levels: winston.config.syslog.levels, transports: [transport] });
  return {
    // The first message connects and is never told as logged.
    ready: async () => {
      logger.info('connects');
      while (!transport.connected || transport.queue.length > 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, 100));
      sent = 0;
    },
    log: (text) => { wanted++; logger.info(text); },
    done: (cb) => { if (sent === wanted) cb(); else callback = cb; },
  };
}

async function measure(contestant) {
  const begin = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) {
    contestant.log(`user ${i} logged in`);
    // As a server that goes back to its event loop.
    if (i % 100 === 99) await new Promise(setImmediate);
  }
  await new Promise((resolve) => contestant.done(resolve));
  return Number(process.hrtime.bigint() - begin) / calls;
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

const sink = dgram.createSocket('udp4');
sink.bind(0, '127.0.0.1', async () => {
  const contestants = { 'bufwriter': plain(),
    'winston, bufwriter': withBufwriter(),
    'winston, winston-syslog': withSyslog(sink.address().port) };
  // The kernel takes the datagrams and drops what the sink does not read.
  const results = {};
  for (const contestant of Object.values(contestants))
    if (contestant.ready) await contestant.ready();
  for (let round = 0; round < rounds; round++)
    for (const [name, contestant] of Object.entries(contestants))
      (results[name] ||= []).push(await measure(contestant));
  for (const [name, values] of Object.entries(results))
    console.log(`node\t${name}\t${median(values).toFixed(0)}`);
  process.exit(0);
});
