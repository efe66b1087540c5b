-- SPDX-License-Identifier: MIT
--
-- Loads up to 1,000 files below two directories into a database, each file
-- once.  load.sh runs this until no file is left; the variables `done` and
-- `unpacked` are the directories.
--
-- A file is known by its name, which no other file has, on no host.  The
-- events of a file and its name are committed together, so a second load, or
-- a load after one that was killed, adds nothing twice.
--
-- Each line of a file is one event: JSON with a session_id and a timestamp.
-- Each line that is no such event goes into `rejected`, so no line is lost.

CREATE TABLE IF NOT EXISTS loaded (
	file VARCHAR PRIMARY KEY,
	lines BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
	session_id VARCHAR NOT NULL,
	timestamp TIMESTAMPTZ NOT NULL,
	event JSON NOT NULL,
	file VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS rejected (
	line BLOB NOT NULL,
	file VARCHAR NOT NULL
);

BEGIN;
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT path, parse_filename(path) AS file
FROM (
	SELECT file AS path FROM glob(getvariable('done') || '/*/*')
	WHERE file NOT LIKE '%.zst'
	UNION ALL
	SELECT file FROM glob(getvariable('unpacked') || '/*')
)
WHERE parse_filename(path) NOT IN (SELECT file FROM loaded)
ORDER BY path
LIMIT 1000;

SET VARIABLE fresh = (SELECT list(path) FROM fresh);

-- Bytes as a text: \x0A for a newline, \x5C for a backslash.  In this form any
-- bytes can be split at newlines.  query(), because read_blob() accepts no
-- empty list of files.
CREATE OR REPLACE TEMP TABLE lines AS
SELECT
	unnest(string_split(
		regexp_replace(content::VARCHAR, '\\x0A$', ''), '\x0A'
	))::BLOB AS line,
	parse_filename(filename) AS file
FROM query(CASE WHEN getvariable('fresh') IS NULL
	THEN 'SELECT ''''::BLOB AS content, '''' AS filename WHERE false'
	ELSE 'FROM read_blob(getvariable(''fresh''))' END)
WHERE octet_length(content) > 0;

CREATE OR REPLACE TEMP TABLE parsed AS
WITH json AS (
	SELECT line, file, TRY_CAST(TRY(decode(line)) AS JSON) AS event
	FROM lines
), texts AS (
	SELECT *, event ->> 'session_id' AS session_id,
		event ->> 'timestamp' AS text
	FROM json
)
SELECT line, file, event, session_id,
	coalesce(
		TRY_CAST(text AS TIMESTAMPTZ),
		-- seconds since 1970
		TRY(to_timestamp(TRY_CAST(text AS DOUBLE)))
	) AS timestamp
FROM texts;

INSERT INTO events
SELECT session_id, timestamp, event, file
FROM parsed
WHERE session_id IS NOT NULL AND timestamp IS NOT NULL;

INSERT INTO rejected
SELECT line, file
FROM parsed
WHERE session_id IS NULL OR timestamp IS NULL;

INSERT INTO loaded
SELECT fresh.file, count(parsed.file)
FROM fresh LEFT JOIN parsed ON parsed.file = fresh.file
GROUP BY fresh.file;
COMMIT;

SELECT count(*) AS files, coalesce(sum(lines), 0) AS lines
FROM loaded WHERE file IN (SELECT file FROM fresh);
