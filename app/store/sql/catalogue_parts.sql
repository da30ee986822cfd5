-- The parts of the catalogue as the last worker with another content has told it, by digests of their keys: what the next
-- content is compared with. What has changed is an event, once for each content.

-- name: hold_content
-- Waits for the right to tell a change: the digest and the key of the content that was told last, and whether this transaction
-- has a higher id than the one that told it.
SELECT digest, key_id, xid <= syncline.position() AS may_follow FROM syncline.catalogue_content FOR UPDATE

-- name: digests_of_parts
-- The digests of all parts.
SELECT kind, name, collection, digest FROM syncline.catalogue_parts

-- name: parts
-- The keys of the given parts.
SELECT kind, name, collection, digest, keys FROM syncline.catalogue_parts
WHERE (kind, name, collection) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))

-- name: drop_parts
-- Deletes the given parts.
DELETE FROM syncline.catalogue_parts
WHERE (kind, name, collection) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))

-- name: put_parts
-- Adds or replaces parts.
INSERT INTO syncline.catalogue_parts (kind, name, collection, digest, keys)
SELECT kind, name, collection, digest, keys::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS p (kind, name, collection, digest, keys)
ON CONFLICT (kind, name, collection) DO UPDATE SET digest = excluded.digest, keys = excluded.keys

-- name: put_content
-- From now on the content with digest $1 and key $2 is the last one that was told.
UPDATE syncline.catalogue_content SET digest = $1, key_id = $2, xid = syncline.position()

-- name: note_content
-- Worker $1 has the content with digest $2.
UPDATE syncline.workers SET content = $2 WHERE worker = $1 AND content IS DISTINCT FROM $2

-- name: is_nobodys
-- Whether the content that was told last is another than $1, and no live worker has it.
SELECT c.digest IS DISTINCT FROM $1 AND NOT EXISTS (
  SELECT FROM syncline.workers w
  WHERE w.content = c.digest AND w.state IN ('active', 'draining') AND w.lease_until > syncline.clock()
)
FROM syncline.catalogue_content c

-- name: tell
-- Appends facts of types $1 with data $2.
INSERT INTO syncline.events (task, version, type, at, attempt, data)
SELECT syncline.uuid7(at), 1, type, at, 0, data::jsonb
FROM unnest($1::text[], $2::text[]) AS f (type, data), syncline.clock() AS at
