-- name: moment
-- The moment of time $1 or of position $2: up to which time and position events count (one of them is unlimited), and when it
-- was. And whether retention has removed what one would need, from when or where on nothing is missing, and whether the moment is
-- still to come. A client's clock may be a minute ahead. Below the horizon a position is complete.
WITH kept AS (
  SELECT sealed_before::timestamp AT TIME ZONE 'UTC' AS first_at, gone_upto FROM syncline.retention
), now AS MATERIALIZED (
  SELECT syncline.clock() AS at, syncline.position(pg_snapshot_xmin(pg_current_snapshot())) AS horizon
)
SELECT coalesce($1::timestamptz, '9999-12-31 00:00:00Z') AS upto_at, coalesce($2::xid8, '18446744073709551615') AS upto_xid,
       m.moment, syncline.below_as_of(m.moment) AS below, syncline.week_as_of(m.moment) AS week,
       coalesce($1::timestamptz < k.first_at, $2::xid8 < k.gone_upto, false) AS is_gone, k.first_at, k.gone_upto,
       coalesce($1::timestamptz > n.at + interval '1 minute', $2::xid8 >= n.horizon) AS is_ahead
FROM now n LEFT JOIN kept k ON true CROSS JOIN (
  SELECT coalesce($1::timestamptz, (
    SELECT e.at FROM syncline.events e WHERE e.xid <= $2::xid8 ORDER BY e.xid DESC, e.at DESC LIMIT 1
  ), '1970-01-01 00:00:00Z') AS moment
) AS m
