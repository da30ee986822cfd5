-- Destinations that cannot be reached, for all workers: until `probe_at` nobody tries one again, and then one attempt does.
-- An outage that nobody has looked at for $1 is over, as far as anybody knows: its destination may have left the catalogue.

-- name: current_outages
-- The outages that go on.
SELECT destination, since, probe_at, extract(epoch FROM probe_at - syncline.clock())::float8 AS seconds, error
FROM syncline.outages WHERE probe_at > syncline.clock() - $1::interval

-- name: begin_probe
-- Lets one attempt try all of destinations $1, for at most $2; those it may try. None if another one tries one of them, or if it is
-- too early.
UPDATE syncline.outages o SET probe_at = syncline.clock() + $2::interval
WHERE o.destination = ANY ($1::text[]) AND o.probe_at <= syncline.clock() AND NOT EXISTS (
  SELECT FROM syncline.outages b WHERE b.destination = ANY ($1) AND b.probe_at > syncline.clock()
)
RETURNING o.destination

-- name: report_outage
-- Notes that destination $2 of sources $3 cannot be reached, because of $4. The next look is after $5, and twice as late after each
-- probe, up to $6. $7 is whether this was a probe: what others have found meanwhile changes nothing.
INSERT INTO syncline.outages AS o (destination, sources, since, probes, probe_at, error)
SELECT $2, $3::text[], at, 0, at + $5::interval, $4 FROM syncline.clock() AS at
ON CONFLICT (destination) DO UPDATE
SET sources = excluded.sources, error = excluded.error,
    since = CASE WHEN o.probe_at > excluded.since - $1::interval THEN o.since ELSE excluded.since END,
    probes = CASE WHEN o.probe_at > excluded.since - $1::interval THEN o.probes + 1 ELSE 0 END,
    probe_at = excluded.since + CASE WHEN o.probe_at > excluded.since - $1::interval
                                     THEN least($6::interval, $5::interval * 2 ^ least(o.probes + 1, 20)) ELSE $5::interval END
WHERE $7::boolean OR o.probe_at <= excluded.since - $1::interval

-- name: end_outage
-- Forgets the outage of destination $1; whether there was one.
WITH gone AS (
  DELETE FROM syncline.outages WHERE destination = $1 RETURNING destination
)
SELECT EXISTS (SELECT FROM gone)
