-- SPDX-License-Identifier: MIT
--
-- The same on a cluster named `bufwriter` with one shard or more, each with
-- one replica or more, and ClickHouse Keeper.  All events of a session are on
-- one shard.  Load into `events`; query `events`.

CREATE TABLE IF NOT EXISTS events_local ON CLUSTER bufwriter
(
	event String CODEC(ZSTD(1)),
	session_id String MATERIALIZED JSONExtractString(event, 'session_id'),
	timestamp DateTime64(6, 'UTC') MATERIALIZED coalesce(
		parseDateTime64BestEffortOrNull(
			JSONExtractString(event, 'timestamp'), 6, 'UTC'),
		toDateTime64(JSONExtractFloat(event, 'timestamp'), 6, 'UTC'))
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/events', '{replica}')
PARTITION BY toYYYYMM(timestamp)
ORDER BY (session_id, timestamp)
SETTINGS replicated_deduplication_window = 1000000,
	replicated_deduplication_window_seconds = 2592000;

CREATE TABLE IF NOT EXISTS events ON CLUSTER bufwriter AS events_local
ENGINE = Distributed(bufwriter, currentDatabase(), events_local,
	cityHash64(JSONExtractString(event, 'session_id')));
