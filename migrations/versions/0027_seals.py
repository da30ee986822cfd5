"""Weeks that are complete are sealed, so that a change of their events is found

A digest for each event, a hash for each task, a root for each week, and a chain of seals over the roots: see decision 42.
Filled databases are sealed week by week by their workers, not here. A downgrade drops all seals.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic import op

if TYPE_CHECKING:
    from collections.abc import Sequence

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TABLES: Final = """
-- The chain. A seal is about the events of all tasks with an id of these days: a week, or what retention has left of several.
CREATE TABLE syncline.seals (
  number    bigint      NOT NULL,
  week      date        NOT NULL,
  before    date        NOT NULL,
  events    bigint      NOT NULL,
  streams   bigint      NOT NULL,
  root      bytea       NOT NULL,
  replaces  bigint[]    NOT NULL,
  archived  boolean     NOT NULL,
  sealed_at timestamptz NOT NULL,
  previous  bytea       NOT NULL,
  seal      bytea       NOT NULL,
  CONSTRAINT seals_pkey PRIMARY KEY (number)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON syncline.seals
FOR EACH ROW EXECUTE FUNCTION syncline.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.seals
FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change();

-- The streams of a seal, to name those that differ: 64 to a row, each with its task and the first 8 bytes of its hash.
CREATE TABLE syncline.sealed_streams (
  seal    bigint  NOT NULL,
  block   integer NOT NULL,
  streams bytea   NOT NULL,
  CONSTRAINT sealed_streams_pkey PRIMARY KEY (seal, block)
);

-- Fields of events that were redacted, with the digests of the values that were there.
CREATE TABLE syncline.redactions (
  task        uuid        NOT NULL,
  version     integer     NOT NULL,
  field       text        NOT NULL,
  digest      bytea       NOT NULL,
  fact        uuid        NOT NULL,
  redacted_at timestamptz NOT NULL,
  CONSTRAINT redactions_pkey PRIMARY KEY (task, version, field),
  CONSTRAINT redactions_field CHECK (field IN ('error', 'message', 'note', 'problems', 'reason', 'who'))
);

CREATE VIEW syncline.current_seals AS
SELECT s.* FROM syncline.seals s
WHERE NOT EXISTS (SELECT FROM syncline.seals l WHERE l.number > s.number AND s.number = ANY (l.replaces));
COMMENT ON VIEW syncline.current_seals IS 'The seals that no later one replaces: what the events must be like now.';

-- The weeks that retention keeps because they are not as they were sealed, and because they are not archived.
ALTER TABLE syncline.retention
  ADD COLUMN differing_weeks date[], ADD COLUMN unarchived_weeks date[], ADD COLUMN archive_wanted boolean NOT NULL DEFAULT false;
"""

FUNCTIONS: Final = """
-- The lowest id of a task of a day.
CREATE FUNCTION syncline.week_floor(day date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
  SELECT CASE WHEN day <= '1970-01-05' THEN '00000000-0000-0000-0000-000000000000' ELSE syncline.uuid7_floor(day::timestamptz) END
$$;

-- The Monday of the week that a task belongs to.
CREATE FUNCTION syncline.week_of(task uuid) RETURNS date LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
  SELECT w.week - CASE WHEN task < syncline.week_floor(w.week) THEN 7 ELSE 0 END
  FROM (SELECT greatest(date_trunc('week', syncline.uuid7_time(task))::date, '1970-01-05') AS week) AS w
$$;

-- The value of a field as it is once it is redacted. The kind of who caused an event stays.
CREATE FUNCTION syncline.redacted(field text, value jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN field = 'who' AND jsonb_typeof(value) = 'object'
              THEN jsonb_set('{"name": "[redacted]"}', '{kind}', coalesce(value -> 'kind', 'null')) ELSE '"[redacted]"' END
$$;

-- The hash of each stream of a range: SHA-256 over the digests of its events. `app.domain.seal` does the same in Python,
-- and says what a digest is. Without settings of its own, so that the planner can look inside.
CREATE FUNCTION syncline.stream_hashes(low uuid, high uuid)
RETURNS TABLE (task uuid, events bigint, hash bytea) LANGUAGE sql STABLE AS $$
  SELECT d.task, count(*), sha256(string_agg(d.digest, ''::bytea ORDER BY d.version))
  FROM (
    SELECT e.task, e.version, sha256(convert_to(
      e.task || ' ' || e.version || ' ' || octet_length(e.type) || ':' || e.type || ' ' || e.v || ' '
      || coalesce(CASE WHEN e.at BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z'
                       THEN (extract(epoch FROM e.at) * 1000000)::bigint END::text, '-') || ' '
      || coalesce(octet_length(e.status) || ':' || e.status, '-') || ' ' || e.attempt || ' '
      || coalesce(e.worker::text, '-') || ' ' || e.xid::text || ' ' || coalesce(e.line::text, '-') || ' '
      || CASE WHEN jsonb_typeof(e.data) = 'object'
                   AND e.data ?| ARRAY['error', 'message', 'note', 'problems', 'reason', 'who']
              THEN octet_length((e.data - ARRAY['error', 'message', 'note', 'problems', 'reason', 'who'])::text) || ':'
                   || (e.data - ARRAY['error', 'message', 'note', 'problems', 'reason', 'who'])::text || (
                     SELECT string_agg(
                       CASE WHEN f.field = 'who' AND jsonb_typeof(e.data -> 'who') = 'object' THEN ' who.kind=' || encode(
                         sha256(convert_to(coalesce(e.data #> '{who,kind}', 'null')::text, 'UTF8')), 'hex') ELSE '' END
                       || ' ' || f.field || '=' || encode(
                       coalesce(r.digest, sha256(convert_to((e.data -> f.field)::text, 'UTF8'))), 'hex'), '' ORDER BY f.place)
                     FROM unnest(ARRAY['error', 'message', 'note', 'problems', 'reason', 'who'])
                       WITH ORDINALITY AS f (field, place)
                     LEFT JOIN syncline.redactions r ON r.task = e.task AND r.version = e.version AND r.field = f.field
                       AND e.data -> f.field = syncline.redacted(f.field, e.data -> f.field)
                     WHERE e.data ? f.field
                   )
              ELSE octet_length(e.data::text) || ':' || e.data::text END, 'UTF8')) AS digest
    FROM syncline.events e WHERE e.task >= low AND e.task < high
  ) AS d
  GROUP BY d.task
$$;

-- The streams of a range in blocks of 64, or of these tasks among them; null: of all.
CREATE FUNCTION syncline.sealed_blocks(low uuid, high uuid, stay uuid[])
RETURNS TABLE (block bigint, streams bigint, events numeric, hash bytea, named bytea) LANGUAGE sql STABLE AS $$
  SELECT n.block, count(*), sum(n.events), sha256(string_agg(n.hash, ''::bytea ORDER BY n.task)),
         string_agg(uuid_send(n.task) || substr(n.hash, 1, 8), ''::bytea ORDER BY n.task)
  FROM (
    SELECT h.task, h.events, h.hash, (row_number() OVER (ORDER BY h.task) - 1) / 64 AS block
    FROM syncline.stream_hashes(low, high) h WHERE stay IS NULL OR h.task IN (SELECT unnest(stay))
  ) AS n
  GROUP BY n.block
$$;

-- Whether the events are still as a seal says.
CREATE FUNCTION syncline.is_as_sealed(sealed bigint) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT (f.events, f.streams, f.root) = (s.events, s.streams, s.root)
  FROM syncline.seals s CROSS JOIN LATERAL (
    SELECT coalesce(sum(b.events), 0) AS events, coalesce(sum(b.streams), 0) AS streams,
           sha256(coalesce(string_agg(b.hash, ''::bytea ORDER BY b.block), '')) AS root
    FROM syncline.sealed_blocks(syncline.week_floor(s.week), syncline.week_floor(s.before), NULL) b
  ) AS f
  WHERE s.number = sealed
$$;

-- Adds a seal for the streams of a range, or for these among them (null: all), instead of other seals, whose weeks were
-- archived or not.
CREATE FUNCTION syncline.write_seal(week date, before date, replaces bigint[], archived boolean, stay uuid[])
RETURNS SETOF syncline.seals LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  made syncline.seals;
BEGIN
  SELECT s.number, s.seal INTO made.number, made.previous FROM syncline.seals s ORDER BY s.number DESC LIMIT 1;
  made.number := coalesce(made.number, 0) + 1;
  made.previous := coalesce(made.previous, sha256(''));
  made.week := write_seal.week;
  made.before := write_seal.before;
  made.replaces := write_seal.replaces;
  made.archived := write_seal.archived;
  made.sealed_at := syncline.clock();
  WITH blocks AS MATERIALIZED (
    SELECT * FROM syncline.sealed_blocks(syncline.week_floor(made.week), syncline.week_floor(made.before), write_seal.stay)
  ), named AS (
    INSERT INTO syncline.sealed_streams (seal, block, streams) SELECT made.number, b.block, b.named FROM blocks b
  )
  SELECT coalesce(sum(b.events), 0), coalesce(sum(b.streams), 0),
         sha256(coalesce(string_agg(b.hash, ''::bytea ORDER BY b.block), ''))
  INTO made.events, made.streams, made.root FROM blocks b;
  made.seal := sha256(convert_to(concat_ws(' ', 'syncline seal 1', made.number,
    to_char(made.week, 'YYYY-MM-DD'), to_char(made.before, 'YYYY-MM-DD'), made.events, made.streams,
    encode(made.root, 'hex'), coalesce(nullif(array_to_string(made.replaces, ','), ''), '-'), made.archived,
    (extract(epoch FROM made.sealed_at) * 1000000)::bigint, encode(made.previous, 'hex')), 'UTF8'));
  INSERT INTO syncline.seals VALUES (made.*);
  RETURN NEXT made;
END $$;

-- The first week from one id to another that has events which no seal is about.
CREATE FUNCTION syncline.unsealed_week(low uuid, high uuid) RETURNS date LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first uuid;
  upto date;
BEGIN
  LOOP
    SELECT e.task INTO first FROM syncline.events e WHERE e.task >= low AND e.task < high ORDER BY e.task LIMIT 1;
    IF first IS NULL THEN
      RETURN NULL;
    END IF;
    SELECT s.before INTO upto FROM syncline.current_seals s
    WHERE syncline.week_of(first) >= s.week AND syncline.week_of(first) < s.before;
    IF NOT FOUND THEN
      RETURN syncline.week_of(first);
    END IF;
    low := syncline.week_floor(upto);
  END LOOP;
END $$;

-- Seals the next week that is complete: over for a day, without an active task, and beyond every open transaction. Returns its
-- seal; none if no week is, or while another one is at it. The ids of a week come from its time, and a day is more than clocks
-- differ, so nothing is added to it any more.
CREATE FUNCTION syncline.seal_week() RETURNS SETOF syncline.seals LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on AS $$
DECLARE
  low uuid := '00000000-0000-0000-0000-000000000000';
  high uuid;
  found_week date;
  passed xid8;
BEGIN
  PERFORM syncline.refuse_shifted_clock();
  -- The same lock as that of retention, so that there is one chain.
  PERFORM FROM syncline.retention FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  high := syncline.week_floor(date_trunc('week', syncline.clock() - interval '1 day')::date);
  LOOP
    found_week := syncline.unsealed_week(low, high);
    IF found_week IS NULL THEN
      RETURN;
    END IF;
    low := syncline.week_floor(found_week + 7);
    -- Only somebody who has changed the chain can have taken its seal away. It stays as it is, and verification says so.
    CONTINUE WHEN EXISTS (SELECT FROM syncline.seals s WHERE s.replaces = '{}' AND s.week = found_week);
    CONTINUE WHEN EXISTS (
      SELECT FROM syncline.collections q
      WHERE q.status IN ('SCHEDULED', 'RUNNING') AND q.task >= syncline.week_floor(found_week) AND q.task < low
    );
    -- A transaction that is older than the first one after this week may have events of it.
    SELECT e.xid INTO passed FROM syncline.events e
    WHERE e.task >= syncline.uuid7_floor((found_week + 7)::timestamptz + interval '12 hours') ORDER BY e.task LIMIT 1;
    IF syncline.position(pg_snapshot_xmin(pg_current_snapshot())) < coalesce(passed, syncline.position()) THEN
      RAISE EXCEPTION 'week % cannot be sealed while a transaction is open that is older than its end', found_week
        USING ERRCODE = 'lock_not_available';
    END IF;
    RETURN QUERY SELECT * FROM syncline.write_seal(found_week, found_week + 7, '{}', false, NULL);
    RETURN;
  END LOOP;
END $$;

-- From now on retention keeps what is not archived, whoever calls it. The owner of the tables can switch that off.
CREATE FUNCTION syncline.want_archive() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  UPDATE syncline.retention SET archive_wanted = true WHERE NOT archive_wanted
$$;
"""

# What retention does beside what it did: it removes only what is sealed, still as it was sealed and, if an archive is wanted,
# archived; and it seals what stays.
KEEP: Final = "syncline.retire_tasks(keep interval)"
KEEP_AND_ARCHIVED: Final = "syncline.retire_tasks(keep interval, archived_weeks date[] DEFAULT NULL::date[])"
VARIABLES: Final = "  stay uuid[];\n"
MORE_VARIABLES: Final = "  stay uuid[];\n  replaced bigint[];\n  differing date[];\n  unarchived date[];\n"
CUTOFF: Final = "  cutoff := date_trunc('day', syncline.clock() - keep);\n"
CUTOFF_AGAIN: Final = f"""\
  UPDATE syncline.retention SET differing_weeks = NULL, unarchived_weeks = NULL
  WHERE differing_weeks IS NOT NULL OR unarchived_weeks IS NOT NULL;
  -- Of an older release, and of a worker whose catalogue has no archive.
  IF archived_weeks IS NULL AND (SELECT r.archive_wanted FROM syncline.retention r) THEN
    archived_weeks := '{{}}';
  END IF;
{CUTOFF}"""
COPIED: Final = "    PERFORM syncline.create_like('events', 'events_kept');\n"
SEALED: Final = f"""\
    IF cardinality(stay) < streams THEN
      CONTINUE WHEN syncline.unsealed_week(lowest, highest) IS NOT NULL;
      SELECT array_agg(s.number ORDER BY s.number) INTO replaced FROM syncline.current_seals s
      WHERE syncline.week_floor(s.week) >= lowest AND syncline.week_floor(s.before) <= highest;
      SELECT array_agg(s.week ORDER BY s.week) INTO unarchived FROM syncline.seals s
      WHERE s.number = ANY (replaced) AND s.replaces = '{{}}' AND s.week <> ALL (archived_weeks);
      IF unarchived IS NOT NULL THEN
        UPDATE syncline.retention SET unarchived_weeks = unarchived_weeks || unarchived;
        CONTINUE;
      END IF;
      SELECT array_agg(s.week ORDER BY s.week) INTO differing FROM syncline.seals s
      WHERE s.number = ANY (replaced) AND NOT syncline.is_as_sealed(s.number);
      IF differing IS NOT NULL THEN
        UPDATE syncline.retention SET differing_weeks = differing_weeks || differing;
        CONTINUE;
      END IF;
      PERFORM FROM (
        SELECT min(s.week) AS week, max(s.before) AS before FROM syncline.seals s WHERE s.number = ANY (replaced)
      ) AS r
      CROSS JOIN LATERAL syncline.write_seal(r.week, r.before, replaced, archived_weeks IS NOT NULL, stay);
      DELETE FROM syncline.sealed_streams s WHERE s.seal = ANY (replaced);
      DELETE FROM syncline.redactions r
      WHERE r.task >= lowest AND r.task < highest AND NOT EXISTS (SELECT FROM unnest(stay) AS s (task) WHERE s.task = r.task);
    END IF;
{COPIED}"""
CHANGES: Final = (
    (KEEP, KEEP_AND_ARCHIVED),
    (VARIABLES, MORE_VARIABLES),
    (CUTOFF, CUTOFF_AGAIN),
    (COPIED, SEALED),
)

# A redaction keeps the event that says who has done it, as all that rests on a fact keeps it.
FACTS: Final = "syncline.spare_facts(timestamp with time zone, timestamp with time zone)"
RESETS: Final = "    AND NOT EXISTS (SELECT FROM syncline.resets r WHERE r.fact = e.task)\n"
REDACTIONS_TOO: Final = f"{RESETS}    AND NOT EXISTS (SELECT FROM syncline.redactions r WHERE r.fact = e.task)\n"

REFUSED: Final = """
CREATE OR REPLACE FUNCTION syncline.refuse_change() RETURNS trigger LANGUAGE plpgsql {settings} AS $$
BEGIN
{exception}  RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
"""
# Whoever may update events at all can do only this with them.
BUT_REDACTED: Final = """\
  -- An event may lose the values of fields whose digests are kept, and nothing else may change.
  IF TG_OP = 'UPDATE' AND starts_with(TG_TABLE_NAME, 'events') THEN
    IF to_jsonb(NEW) = to_jsonb(OLD) || jsonb_build_object('data', OLD.data || (
      SELECT coalesce(jsonb_object_agg(r.field, syncline.redacted(r.field, OLD.data -> r.field)), '{}')
      FROM syncline.redactions r
      WHERE r.task = OLD.task AND r.version = OLD.version AND r.digest = sha256(convert_to((OLD.data -> r.field)::text, 'UTF8'))
    )) AND NEW.data <> OLD.data THEN
      RETURN NEW;
    END IF;
  END IF;
  -- Log lines are not sealed.
  IF TG_OP = 'UPDATE' AND starts_with(TG_TABLE_NAME, 'log_events') THEN
    IF to_jsonb(NEW) = to_jsonb(OLD) || '{"message": "[redacted]"}' AND NEW <> OLD THEN
      RETURN NEW;
    END IF;
  END IF;
"""

RIGHTS: Final = """
DO $$
DECLARE
  relation text;
  routine regprocedure;
BEGIN
  FOR routine IN
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'syncline'::regnamespace AND p.proname IN (
      'week_floor', 'week_of', 'redacted', 'stream_hashes', 'sealed_blocks', 'is_as_sealed', 'write_seal', 'unsealed_week',
      'seal_week', 'want_archive', 'retire_tasks')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner')
       AND pg_has_role(current_user, 'syncline_owner', 'USAGE') THEN
      EXECUTE format('ALTER FUNCTION %s OWNER TO syncline_owner', routine);
    END IF;
  END LOOP;
  FOREACH relation IN ARRAY ARRAY['seals', 'sealed_streams', 'redactions', 'current_seals'] LOOP
    CONTINUE WHEN to_regclass('syncline.' || relation) IS NULL;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner')
       AND pg_has_role(current_user, 'syncline_owner', 'USAGE') THEN
      EXECUTE format('ALTER TABLE syncline.%I OWNER TO syncline_owner', relation);
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
      EXECUTE format('GRANT SELECT ON syncline.%I TO syncline_app', relation);
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    FOR routine IN
      SELECT p.oid::regprocedure FROM pg_proc p
      WHERE p.pronamespace = 'syncline'::regnamespace AND p.proname IN ('seal_week', 'want_archive', 'retire_tasks')
    LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO syncline_app', routine);
    END LOOP;
  END IF;
END $$;
"""

# Positions are the database's: the application names no `xid`. Partitions that were tables of their own once have rights
# as well.
APPEND_RIGHTS: Final = """
DO $$
DECLARE
  relation regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    FOR relation IN SELECT t.relid FROM pg_partition_tree('syncline.events') t LOOP
      EXECUTE format('REVOKE INSERT ON %s FROM syncline_app', relation);
    END LOOP;
    GRANT INSERT{columns} ON syncline.events TO syncline_app;
  END IF;
END $$;
"""
BUT_XID: Final = " (task, version, type, v, at, status, attempt, worker, data, line)"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run(TABLES)
    _run(FUNCTIONS)
    _run(REFUSED.format(settings="SET search_path = pg_catalog, pg_temp", exception=BUT_REDACTED))
    _rewrite(forwards=True)
    _run(_changed(FACTS, [(RESETS, REDACTIONS_TOO)]))
    _run(RIGHTS)
    _run(APPEND_RIGHTS.format(columns=BUT_XID))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rewrite(forwards=False)
    _run(_changed(FACTS, [(REDACTIONS_TOO, RESETS)]))
    _run(APPEND_RIGHTS.format(columns=""))
    _run(REFUSED.format(settings="", exception=""))
    _run("DROP VIEW syncline.current_seals")
    _run(
        "DROP FUNCTION syncline.want_archive(), syncline.seal_week(), syncline.unsealed_week(uuid, uuid),"
        " syncline.write_seal(date, date, bigint[], boolean, uuid[]), syncline.is_as_sealed(bigint),"
        " syncline.sealed_blocks(uuid, uuid, uuid[]), syncline.stream_hashes(uuid, uuid),"
        " syncline.redacted(text, jsonb), syncline.week_of(uuid), syncline.week_floor(date)"
    )
    _run("DROP TABLE syncline.redactions, syncline.sealed_streams, syncline.seals")
    _run(
        "ALTER TABLE syncline.retention"
        " DROP COLUMN differing_weeks, DROP COLUMN unarchived_weeks, DROP COLUMN archive_wanted"
    )
    _run(RIGHTS)


def _rewrite(*, forwards: bool) -> None:
    """Make the function anew with other arguments. It must not stay beside the former one, or calls would be ambiguous."""
    function = f"syncline.retire_tasks({'interval' if forwards else 'interval, date[]'})"
    text = _changed(function, CHANGES if forwards else [(after, before) for before, after in CHANGES])
    _run(f"DROP FUNCTION {function}")
    _run(text)


def _changed(function: str, changes: Sequence[tuple[str, str]]) -> str:
    """The definition of a function as it is, with other parts."""
    text: str = op.get_bind().exec_driver_sql(f"SELECT pg_get_functiondef('{function}'::regprocedure)").scalar_one()
    for before, after in changes:
        if text.count(before) != 1:
            raise RuntimeError(f"{function} is not as the revisions before made it: {before!r} is not in it once")
        text = text.replace(before, after)
    return text


def _run(statement: str) -> None:
    # Neither the colons nor the percent signs of a statement are parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
