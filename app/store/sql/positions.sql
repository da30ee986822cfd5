-- name: positions
-- The newest position that is stored, and that of the server's next transaction. A checkpoint may be beyond all events, up to
-- the horizon at which a projection was rebuilt.
SELECT greatest((SELECT xid FROM syncline.events ORDER BY xid DESC LIMIT 1), (SELECT max(xid) FROM syncline.checkpoints)) AS newest,
       syncline.position(pg_snapshot_xmax(pg_current_snapshot())) AS next
