-- name: highest_xid
-- The highest transaction id among the events, and the server's next one.
SELECT (SELECT xid FROM syncline.events ORDER BY xid DESC LIMIT 1) AS stored, pg_snapshot_xmax(pg_current_snapshot()) AS own
