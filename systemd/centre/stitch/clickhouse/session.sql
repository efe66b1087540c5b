-- SPDX-License-Identifier: MIT
--
-- All events of one session, in the order of their times:
--
--	clickhouse-client --param_session=s77 --queries-file session.sql

SELECT timestamp, event
FROM events
WHERE session_id = {session:String}
ORDER BY timestamp;
