#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// Stands in for DuckDB's command, which Debian does not have: the same library,
// with the options that the recipe uses.
'use strict';
const fs = require('fs');
const { DuckDBInstance, StatementType } = require('@duckdb/node-api');

async function main(args) {
	let database = ':memory:';
	const texts = [];

	for (let i = 0; i < args.length; i++) {
		if (args[i] === '-c')
			texts.push(args[++i]);
		else if (args[i] === '-f')
			texts.push(fs.readFileSync(args[++i], 'utf8'));
		else if (args[i] !== '-noheader' && args[i] !== '-list')
			database = args[i];
	}
	const instance = await DuckDBInstance.create(database);
	const connection = await instance.connect();
	for (const text of texts) {
		const result = await connection.runAndReadAll(text);

		if (result.statementType !== StatementType.SELECT)
			continue;
		for (const row of result.getRowsJson())
			console.log(row.join('|'));
	}
	connection.closeSync();
	instance.closeSync();
}

main(process.argv.slice(2)).catch((error) => {
	console.error(error.message);
	process.exit(1);
});
