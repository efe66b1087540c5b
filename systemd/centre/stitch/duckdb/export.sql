-- SPDX-License-Identifier: MIT
--
-- Writes all events into Parquet files, a folder a day, sorted by session:
--
--	duckdb centre.db -c "SET VARIABLE parquet = '/srv/bufwriter/parquet'" \
--		-f export.sql
--
-- Because a file is sorted, each of its row groups holds a small range of
-- sessions, and a query for one session reads one row group of a day.

CREATE OR REPLACE TEMP VIEW sorted AS
SELECT *, CAST(timestamp AS DATE) AS day
FROM events
ORDER BY day, session_id, timestamp;

COPY sorted TO (getvariable('parquet')) (
	FORMAT parquet, PARTITION_BY (day), OVERWRITE_OR_IGNORE,
	ROW_GROUP_SIZE 20000, COMPRESSION zstd);
