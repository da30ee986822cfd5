-- name: positions
-- The newest position among the events, and that of the server's next transaction.
SELECT (SELECT xid FROM syncline.events ORDER BY xid DESC LIMIT 1) AS newest,
       syncline.position(pg_snapshot_xmax(pg_current_snapshot())) AS next
