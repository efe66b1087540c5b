#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// Stands in for clickhouse-client: the same engine in process, with its data in
// $CLICKHOUSE_DATA, and the options that the recipe uses.  A server of this
// age is not in Debian.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const chdb = require('chdb');

let query = '';
let file = '';
const settings = [];
for (const option of process.argv.slice(2)) {
	const [name, ...rest] = option.replace(/^--/, '').split('=');
	const value = rest.join('=');

	if (name === 'query')
		query = value;
	else if (name === 'queries-file')
		file = value;
	else if (name.startsWith('param_'))
		query = `SET ${name} = '${value}'; ${query}`;
	else
		settings.push(`${name} = '${value}'`);
}
if (file)
	query += fs.readFileSync(file, 'utf8');
const session = new chdb.Session(process.env.CLICKHOUSE_DATA);
let temp = '';
if (/^INSERT/.test(query)) {
	temp = fs.mkdtempSync(path.join(os.tmpdir(), 'clickhouse-'));
	fs.writeFileSync(`${temp}/data`, fs.readFileSync(0));
	query = query.replace(' FORMAT ', ` FROM INFILE '${temp}/data'` +
		` SETTINGS ${settings.join(', ')} FORMAT `);
}
process.stdout.write(session.query(query, 'TabSeparated'));
if (temp)
	fs.rmSync(temp, { recursive: true });
