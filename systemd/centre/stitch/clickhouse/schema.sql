-- SPDX-License-Identifier: MIT
--
-- The table on one server.  Each line of a file is a row; ClickHouse computes
-- session and time from it.  A line without them has an empty session_id: it
-- is kept, and `SELECT event FROM events WHERE session_id = ''` finds it.
--
-- The window says how many loaded files the server remembers.  A file that is
-- loaded a second time within the window adds nothing.

CREATE TABLE IF NOT EXISTS events
(
	event String CODEC(ZSTD(1)),
	session_id String MATERIALIZED JSONExtractString(event, 'session_id'),
	timestamp DateTime64(6, 'UTC') MATERIALIZED coalesce(
		parseDateTime64BestEffortOrNull(
			JSONExtractString(event, 'timestamp'), 6, 'UTC'),
		toDateTime64(JSONExtractFloat(event, 'timestamp'), 6, 'UTC'))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (session_id, timestamp)
SETTINGS non_replicated_deduplication_window = 1000000;
