"""What happens beside the tasks is an event too: pauses, resets, bookmarks that are set, changes of the catalogue

A fact is a stream of its own, of one event and without a status. What rests on one names it, so that retention keeps it.

Views for reports ask now() and not syncline.clock(), which the role of reports may not execute. The clock differs only in tests.

The index on facts reads all events once, about a second for a million.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES: Final = """
-- `collection` is empty for the whole source.
CREATE TABLE syncline.pauses (
  source     text        NOT NULL,
  collection text        NOT NULL,
  since      timestamptz NOT NULL,
  ends_at    timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  who        jsonb,
  note       text,
  fact       uuid        NOT NULL,
  xid        xid8        NOT NULL,
  CONSTRAINT pauses_pkey PRIMARY KEY (source, collection)
) WITH (fillfactor = 80);
CREATE INDEX pauses_ends_at ON syncline.pauses (ends_at);

-- The catalogue that was told last, and its parts.
CREATE TABLE syncline.catalogue_content (
  one    boolean NOT NULL DEFAULT true CONSTRAINT catalogue_content_one CHECK (one),
  digest text,
  key_id text,
  xid    xid8    NOT NULL DEFAULT '0',
  CONSTRAINT catalogue_content_pkey PRIMARY KEY (one)
);
INSERT INTO syncline.catalogue_content DEFAULT VALUES;
CREATE TABLE syncline.catalogue_parts (
  kind       text  NOT NULL,
  name       text  NOT NULL,
  collection text  NOT NULL,
  digest     text  NOT NULL,
  keys       jsonb NOT NULL,
  CONSTRAINT catalogue_parts_pkey PRIMARY KEY (kind, name, collection)
);

-- The content that a worker has.
ALTER TABLE syncline.workers ADD COLUMN content text;

ALTER TABLE syncline.resets ADD COLUMN fact uuid, ADD COLUMN xid xid8 NOT NULL DEFAULT '0';
"""

SPARE_FACTS: Final = """
CREATE FUNCTION syncline.spare_facts(low timestamptz, high timestamptz)
RETURNS TABLE (task uuid)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT e.task FROM syncline.events e
  WHERE e.status IS NULL AND (low IS NULL OR e.task >= syncline.uuid7_floor(low)) AND e.task < syncline.uuid7_floor(high)
    AND NOT EXISTS (SELECT FROM syncline.pauses p WHERE p.fact = e.task)
    AND NOT EXISTS (SELECT FROM syncline.resets r WHERE r.fact = e.task)
    AND NOT EXISTS (SELECT FROM syncline.bookmarks b WHERE b.task = e.task)
$$
"""
SPARE_TASKS_ONLY: Final = """\
LEFT JOIN (SELECT task FROM syncline.spare_tasks(run.low, run.high) WHERE finished_at < cutoff) AS s USING (task);"""
SPARE_FACTS_TOO: Final = """\
LEFT JOIN (
      SELECT task FROM syncline.spare_tasks(run.low, run.high) WHERE finished_at < cutoff
      UNION ALL SELECT task FROM syncline.spare_facts(run.low, run.high)
    ) AS s USING (task);"""

# The views of events of tasks; the condition is the new part.
EVENTS_OF_TASKS: Final = """
CREATE OR REPLACE VIEW reporting.task_events AS
SELECT t.source || '_' || t.collection || '_' || e.task AS task_id, e.task, t.source, t.collection, e.version, e.at, e.type,
       e.status, e.attempt, e.worker, e.data - 'bookmark' AS data
FROM syncline.events e
LEFT JOIN syncline.all_tasks t ON t.task = e.task
{of_tasks};

CREATE OR REPLACE VIEW reporting.task_story AS
SELECT task, row_number() OVER (
         PARTITION BY task ORDER BY at, CASE WHEN is_event THEN 1 WHEN number = 0 THEN 2 ELSE 0 END, number
       ) AS position,
       at, CASE WHEN is_event THEN 'event' ELSE 'log' END AS kind, attempt, status, level, message, data
FROM (
  SELECT e.task, e.at, true AS is_event, e.version AS number, e.attempt, e.status, NULL::text AS level, e.type AS message,
         e.data - 'bookmark' AS data
  FROM syncline.events e
  {of_tasks}
  UNION ALL
  SELECT task, at, false, line, attempt, NULL::text, level, message, NULL::jsonb FROM syncline.log_lines
) AS s
"""
WITHOUT_FACTS: Final = "WHERE e.status IS NOT NULL"

# A condition on source and collection reaches the index of either half.
HISTORY: Final = """
CREATE VIEW reporting.history AS
SELECT h.position, h.at, h.source, h.collection, h.type, h.task_id, h.version, h.status, h.attempt, h.worker,
       h.data -> 'who' ->> 'name' AS who, h.data -> 'who' ->> 'kind' AS who_kind, h.data ->> 'note' AS note,
       h.data - 'bookmark' - 'who' - 'note' AS data, h.task
FROM (
  SELECT e.xid::text::numeric AS position, e.at, t.source, t.collection, e.type,
         t.source || '_' || t.collection || '_' || e.task AS task_id, e.version, e.status, e.attempt, e.worker, e.data, e.task
  FROM syncline.all_tasks t JOIN syncline.events e ON e.task = t.task
  UNION ALL
  SELECT xid::text::numeric, at, data ->> 'source', data ->> 'collection', type, NULL, version, NULL, NULL, NULL, data, task
  FROM syncline.events WHERE status IS NULL
) AS h
"""
HISTORY_COMMENT: Final = "Everything that happened, in one order: by position, task, version."
HISTORY_COMMENTS: Final = {
    "position": "The position in the feed of the transaction that appended the event.",
    "at": "When it happened, by the database's clock.",
    "source": "The source, as the configuration names it. Null if it concerns none in particular.",
    "collection": "The collection of the source. Null if it concerns the whole source.",
    "type": "What happened.",
    "task_id": "The id of the task that it happened to, as the API shows it; null for what happens beside the tasks.",
    "version": "Its number in the life of the task.",
    "status": "The status of the task after it.",
    "attempt": "The attempt of the task.",
    "worker": "The worker that wrote it.",
    "who": "Who caused it, if a person or a program did: a token, a user behind a proxy, the user of a command, or a login.",
    "who_kind": "Where this name comes from: token, proxy, command or database.",
    "note": "What they noted.",
    "data": "Details of this type.",
    "task": "The UUID of the task, or that of the event itself.",
}

COLLECTIONS: Final = """
CREATE OR REPLACE VIEW reporting.collections AS
SELECT k.source, k.collection, k.source || '_' || k.collection || '_' || c.task AS last_task_id, c.task AS last_task,
       c.status AS last_status, c.last_success_at, c.last_failure_at,
       coalesce(c.consecutive_failures, 0) AS consecutive_failures, q.task AS active_task, q.status AS active_status,
       s.expression AS schedule, s.timezone, s.next_fire_at, b.destinations, b.bookmark_saved_at{more}
FROM (
  SELECT source, collection FROM syncline.collections
  UNION
  SELECT source, collection FROM syncline.schedules WHERE active
) AS k
LEFT JOIN syncline.collections c ON c.source = k.source AND c.collection = k.collection
LEFT JOIN syncline.collections q ON q.source = k.source AND q.collection = k.collection AND q.status IN ('SCHEDULED', 'RUNNING')
LEFT JOIN syncline.schedules s ON s.source = k.source AND s.collection = k.collection AND s.active
LEFT JOIN LATERAL (
  SELECT array_agg(b.destination ORDER BY b.destination) AS destinations, max(b.saved_at) AS bookmark_saved_at
  FROM syncline.bookmarks b LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
  WHERE b.source = k.source AND b.collection = k.collection AND b.generation = coalesce(r.generation, 0)
) AS b ON true
{pauses}"""
MORE: Final = """,
       p.since AS paused_since, nullif(p.ends_at, 'infinity') AS paused_until, p.who AS paused_by, p.note AS pause_note,
       CASE WHEN EXISTS (SELECT FROM syncline.catalogue_parts) THEN EXISTS (
         SELECT FROM syncline.catalogue_parts c WHERE c.kind = 'collection' AND c.name = k.source AND c.collection = k.collection
       ) END AS in_catalogue"""
# If both the source and the collection are paused, the pause that ends last is shown.
PAUSES: Final = """\
LEFT JOIN LATERAL (
  SELECT p.since, p.ends_at, p.who ->> 'name' AS who, p.note FROM syncline.pauses p
  WHERE p.source = k.source AND p.collection IN (k.collection, '') AND p.ends_at > now()
  ORDER BY p.ends_at DESC, p.collection DESC LIMIT 1
) AS p ON true
"""
MORE_COMMENTS: Final = {
    "paused_since": "Since when the collection, or its whole source, is paused; null if it is not.",
    "paused_until": "When the pause ends by itself; null if somebody has to end it.",
    "paused_by": "Who has paused it, or changed the pause last.",
    "pause_note": "What they noted.",
    "in_catalogue": "Whether the catalogue has it; null if no worker has told yet what is in it.",
}

RIGHTS_OF_COLLECTIONS: Final = """
DO $$ BEGIN
  REVOKE ALL ON reporting.collections FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER VIEW reporting.collections OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT SELECT ON reporting.collections TO syncline_report;
  END IF;
END $$;
"""

RIGHTS: Final = """
DO $$ BEGIN
  REVOKE ALL ON syncline.pauses, syncline.catalogue_parts, syncline.catalogue_content, reporting.history FROM PUBLIC;
  REVOKE ALL ON FUNCTION syncline.spare_facts(timestamptz, timestamptz) FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.pauses, syncline.catalogue_parts TO syncline_app;
    GRANT SELECT, UPDATE ON syncline.catalogue_content TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.pauses OWNER TO syncline_owner;
    ALTER TABLE syncline.catalogue_parts OWNER TO syncline_owner;
    ALTER TABLE syncline.catalogue_content OWNER TO syncline_owner;
    ALTER FUNCTION syncline.spare_facts(timestamptz, timestamptz) OWNER TO syncline_owner;
    ALTER VIEW reporting.history OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT SELECT ON reporting.history TO syncline_report;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run(
        "CREATE INDEX events_facts ON syncline.events ((data ->> 'source'), (data ->> 'collection')) WHERE status IS NULL"
    )
    _run(TABLES)
    _run(SPARE_FACTS)
    _rewrite("syncline.retire_tasks(interval)", SPARE_TASKS_ONLY, SPARE_FACTS_TOO)
    _run(EVENTS_OF_TASKS.format(of_tasks=WITHOUT_FACTS))
    _run(HISTORY)
    _run(COLLECTIONS.format(more=MORE, pauses=PAUSES))
    _run(f"COMMENT ON VIEW reporting.history IS {_quoted(HISTORY_COMMENT)}")
    for view, comments in (("history", HISTORY_COMMENTS), ("collections", MORE_COMMENTS)):
        for column, comment in comments.items():
            _run(f"COMMENT ON COLUMN reporting.{view}.{column} IS {_quoted(comment)}")
    _run(RIGHTS)
    # Last, because readers of events wait from here on.
    _run("ALTER TABLE syncline.events ALTER COLUMN status DROP NOT NULL")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The release before does not know facts, so pauses end, and neither they nor resets are in the history any more.
    _run("DROP VIEW reporting.history")
    _remove_columns()
    _run(EVENTS_OF_TASKS.format(of_tasks=""))
    _rewrite("syncline.retire_tasks(interval)", SPARE_FACTS_TOO, SPARE_TASKS_ONLY)
    _run("DROP FUNCTION syncline.spare_facts(timestamptz, timestamptz)")
    _run("DROP TABLE syncline.pauses, syncline.catalogue_parts, syncline.catalogue_content")
    _run("ALTER TABLE syncline.workers DROP COLUMN content")
    _run("ALTER TABLE syncline.resets DROP COLUMN fact, DROP COLUMN xid")
    _run("ALTER TABLE syncline.events DISABLE TRIGGER append_only")
    _run("DELETE FROM syncline.events WHERE status IS NULL")
    _run("ALTER TABLE syncline.events ENABLE TRIGGER append_only")
    _run("DROP INDEX syncline.events_facts")
    _run("ALTER TABLE syncline.events ALTER COLUMN status SET NOT NULL")


def _remove_columns() -> None:
    """Make the view anew, because columns of a view cannot be dropped; its comments stay."""
    view = "'reporting.collections'::regclass"
    comments = op.get_bind().exec_driver_sql(
        f"SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = {view} AND attnum > 0"
    )
    columns = [(column, comment) for column, comment in comments if column not in MORE_COMMENTS]
    comment: str = op.get_bind().exec_driver_sql(f"SELECT obj_description({view}, 'pg_class')").scalar_one()
    _run("DROP VIEW reporting.collections")
    _run(COLLECTIONS.format(more="", pauses=""))
    _run(f"COMMENT ON VIEW reporting.collections IS {_quoted(comment)}")
    for column, text in columns:
        _run(f"COMMENT ON COLUMN reporting.collections.{column} IS {_quoted(text)}")
    _run(RIGHTS_OF_COLLECTIONS)


def _run(statement: str) -> None:
    # Neither the colons nor the percent signs of a statement are parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rewrite(function: str, before: str, after: str) -> None:
    """Replace a part of a function, which keeps its owner and rights."""
    text: str = op.get_bind().exec_driver_sql(f"SELECT pg_get_functiondef('{function}'::regprocedure)").scalar_one()
    if text.count(before) != 1:
        raise RuntimeError(f"{function} is not as the revisions before made it: {before!r} is not in it once")
    _run(text.replace(before, after))
