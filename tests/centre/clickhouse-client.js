#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// Stands in for clickhouse-client: the same engine in process, with its data in
// $CLICKHOUSE_DATA, and the options that the recipe uses.  A server of this
// age is not in Debian.
//
//	clickhouse-client.js serve SOCKET CONFIG
//
// keeps the engine for the clients whose $CLICKHOUSE_SOCKET this is, as a
// server does.  A line with the client's arguments comes first, then its
// standard input.
'use strict';
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');

function parse(args) {
	const call = { query: '', set: '', settings: [] };

	for (const option of args) {
		const [name, ...rest] = option.replace(/^--/, '').split('=');
		const value = rest.join('=');

		if (name === 'query')
			call.query = value;
		else if (name === 'queries-file')
			call.query = fs.readFileSync(value, 'utf8');
		else if (name.startsWith('param_'))
			call.set += `SET ${name} = '${value}'; `;
		else
			call.settings.push(`${name} = '${value}'`);
	}
	call.inserts = /^INSERT/.test(call.query);
	return call;
}

function answer(session, call, data) {
	let query = call.set + call.query;
	let temp = '';

	if (call.inserts) {
		temp = fs.mkdtempSync(path.join(os.tmpdir(), 'clickhouse-'));
		fs.writeFileSync(`${temp}/data`, data);
		query = query.replace(' FORMAT ', ` FROM INFILE '${temp}/data'` +
			` SETTINGS ${call.settings.join(', ')} FORMAT `);
	}
	try {
		return session.query(query, 'TabSeparated');
	} finally {
		if (temp)
			fs.rmSync(temp, { recursive: true });
	}
}

function open(args) {
	const chdb = require('chdb');

	return new chdb.Session(process.env.CLICKHOUSE_DATA,
		{ connectionArgs: args });
}

function serve(at, config) {
	const session = open([`--config-file=${config}`]);

	net.createServer({ allowHalfOpen: true }, (client) => {
		const chunks = [];

		client.on('data', (chunk) => chunks.push(chunk));
		client.on('end', () => {
			const all = Buffer.concat(chunks);
			const line = all.indexOf('\n');
			const call = parse(JSON.parse(all.subarray(0, line)));

			try {
				client.end('0' + answer(session, call,
					all.subarray(line + 1)));
			} catch (error) {
				client.end('1' + error.message);
			}
		});
	}).listen(at);
}

function ask(at, args) {
	const client = net.connect(at);
	const chunks = [];

	client.write(JSON.stringify(args) + '\n');
	client.end(parse(args).inserts ? fs.readFileSync(0) : '');
	client.on('data', (chunk) => chunks.push(chunk));
	client.on('end', () => {
		const text = Buffer.concat(chunks).toString();

		if (text[0] === '0') {
			process.stdout.write(text.slice(1));
		} else {
			console.error(text.slice(1));
			process.exitCode = 1;
		}
	});
}

const args = process.argv.slice(2);
if (args[0] === 'serve') {
	serve(args[1], args[2]);
} else if (process.env.CLICKHOUSE_SOCKET) {
	ask(process.env.CLICKHOUSE_SOCKET, args);
} else {
	const call = parse(args);

	process.stdout.write(answer(open([]), call,
		call.inserts ? fs.readFileSync(0) : ''));
}
