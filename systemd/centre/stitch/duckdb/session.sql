-- SPDX-License-Identifier: MIT
--
-- All events of one session, in the order of their times:
--
--	duckdb -c "SET VARIABLE parquet = '/srv/bufwriter/parquet'" \
--		-c "SET VARIABLE session = 's77'" -f session.sql

SELECT timestamp, event, file
FROM read_parquet(getvariable('parquet') || '/*/*.parquet')
WHERE session_id = getvariable('session')
ORDER BY timestamp;
