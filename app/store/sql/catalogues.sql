-- With what the tasks of a source were started: one row for each source of each content of a catalogue, as soon as a task of
-- the source was started with it.

-- name: digest_key
-- The key of this installation, for digests of configurations that have secrets but no secret key.
SELECT key FROM syncline.digest_key

-- name: register_sources
-- Notes that catalogue $1 reads sources $2 with connectors $3 of versions $4 and configurations $5, whose digests were made
-- with key $6. A row that is there is only touched, and not each time.
INSERT INTO syncline.catalogues AS c
  (catalogue, source, connector, connector_version, config_digest, digest_key_id, used_at)
SELECT $1::text, s.source, s.connector, s.connector_version, s.config_digest, $6::text, syncline.clock()
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS s (source, connector, connector_version, config_digest)
ORDER BY s.source
ON CONFLICT (catalogue, source) DO UPDATE SET used_at = excluded.used_at WHERE c.used_at < excluded.used_at - interval '1 minute'
