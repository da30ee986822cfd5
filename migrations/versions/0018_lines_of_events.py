"""A step of a task is its own log line

The log repeated in rows what the events say: that an attempt began, and how it ended. Now such an event has the number of its
line, and the text is made when the log is read. Only events with a number have a line, so what earlier releases have
written is shown once, as they have stored it.

A task may have many events but few of them have a line, hence the partial index. Older events have none: the table is
locked against writes for as long as it takes to read them, about a second for a million.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COLUMNS: Final = """
ALTER TABLE syncline.events ADD COLUMN line integer;
ALTER TABLE syncline.collections ADD COLUMN line integer;
CREATE INDEX events_with_line ON syncline.events (task) WHERE line IS NOT NULL;
"""

OF_EVENTS: Final = """
SELECT e.task, e.attempt, e.line, e.at,
       CASE WHEN e.type IN ('TaskStarted', 'TaskSucceeded') THEN 'info'
            WHEN e.type IN ('TaskCanceled', 'AttemptHandedBack') THEN 'warn'
            ELSE 'error' END AS level,
       '[' || (s.data ->> 'source') || '_' || (s.data ->> 'collection') || '_' || e.task || '] ' || CASE e.type
         WHEN 'TaskStarted' THEN 'Running task...'
         WHEN 'TaskSucceeded' THEN 'FINISHED SUCCESSFULLY' || took
         WHEN 'TaskFailed' THEN 'FINISHED WITH ERROR' || took || why
         WHEN 'TaskCanceled' THEN 'CANCELED' || CASE took || why WHEN '' THEN ' while it was queued' ELSE took || why END
         WHEN 'AttemptFailed' THEN
           'attempt ' || e.attempt || ' failed' || took || why
             || coalesce('; next attempt in ' || round((e.data ->> 'delay_seconds')::numeric) || ' seconds', '')
             || coalesce(', ' || (e.data ->> 'attempts_left') || ' left', '')
         WHEN 'AttemptRescued' THEN 'attempt ' || e.attempt || ' is taken over' || why
         WHEN 'AttemptHandedBack' THEN
           'attempt ' || e.attempt || ' was handed back' || coalesce(' after ' || seconds || ' seconds', '') || why
         ELSE e.type END AS message
FROM syncline.events e
JOIN syncline.events s ON s.task = e.task AND s.version = 1
CROSS JOIN LATERAL (
  SELECT to_char((e.data ->> 'seconds')::numeric, 'FM9999999990.00') AS seconds,
         to_char((e.data ->> 'seconds')::numeric / 60, 'FM9999999990.00') AS minutes,
         coalesce(': ' || coalesce(e.data ->> 'error', e.data ->> 'reason'), '') AS why
) AS d
CROSS JOIN LATERAL (SELECT coalesce(' in [' || seconds || '] seconds (~ ' || minutes || ' minutes)', '') AS took) AS t
WHERE e.line IS NOT NULL
"""

LINES: Final = f"""
CREATE VIEW syncline.event_lines AS {OF_EVENTS};
COMMENT ON VIEW syncline.event_lines IS 'Log lines made from events.';
CREATE VIEW syncline.log_lines AS
SELECT task, attempt, line, at, level, message FROM syncline.log_events
UNION ALL
SELECT * FROM syncline.event_lines;
COMMENT ON VIEW syncline.log_lines IS 'The logs of all tasks: what their attempts wrote, and lines made from events.';
"""

TASK_LOGS: Final = """
CREATE OR REPLACE VIEW reporting.task_logs AS
SELECT t.source || '_' || t.collection || '_' || l.task AS task_id, l.task, t.source, t.collection, l.attempt, l.line,
       l.at, l.level, l.message
FROM {lines} l LEFT JOIN syncline.all_tasks t ON t.task = l.task
"""

# The line of a start comes after its event, as if it had been written then; every other line before the event of its time.
TASK_STORY: Final = """
CREATE OR REPLACE VIEW reporting.task_story AS
SELECT s.task, row_number() OVER (PARTITION BY s.task ORDER BY s.at, CASE WHEN s.is_event THEN 1 WHEN s.number = 0 THEN 2 ELSE 0 END, s.number) AS position, s.at,
       CASE WHEN s.is_event THEN 'event' ELSE 'log' END AS kind, s.attempt, s.status, s.level, s.message, s.data
FROM (
  SELECT task, at, true AS is_event, version AS number, attempt, status, NULL::text AS level, type AS message,
         e.data - 'bookmark' AS data
  FROM syncline.events e
  UNION ALL
  SELECT task, at, false, line, attempt, NULL, level, message, NULL FROM {lines}
) AS s
"""

RIGHTS: Final = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER VIEW syncline.event_lines OWNER TO syncline_owner;
    ALTER VIEW syncline.log_lines OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT ON syncline.event_lines, syncline.log_lines TO syncline_app;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run(COLUMNS)
    _run(LINES)
    _run(RIGHTS)
    _run(TASK_LOGS.format(lines="syncline.log_lines"))
    _run(TASK_STORY.format(lines="syncline.log_lines"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run(TASK_LOGS.format(lines="syncline.log_events"))
    _run(TASK_STORY.format(lines="syncline.log_events"))
    _run("DROP VIEW syncline.log_lines, syncline.event_lines")
    # Earlier releases read only lines that are stored.
    _run(
        f"INSERT INTO syncline.log_events (task, attempt, line, at, level, message) {OF_EVENTS} ON CONFLICT DO NOTHING"
    )
    _run("ALTER TABLE syncline.events DROP COLUMN line")
    _run("ALTER TABLE syncline.collections DROP COLUMN line")


def _run(statement: str) -> None:
    # Neither the colons nor the percent signs of a statement are parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
