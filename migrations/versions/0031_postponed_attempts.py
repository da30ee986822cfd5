"""The log line of a postponed attempt says until when the task waits

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

EARLY: Final = 100
COLUMNS: Final = "task, version, type, at, attempt, data, line"
IN_TWO_PARTS: Final = f"""(
  SELECT {COLUMNS} FROM syncline.events WHERE line IS NOT NULL AND version <= {EARLY}
  UNION ALL
  SELECT {COLUMNS} FROM syncline.events WHERE line IS NOT NULL AND version > {EARLY}
)"""

LINES: Final = """
CREATE OR REPLACE VIEW syncline.event_lines AS
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
           'attempt ' || e.attempt || ' was handed back' || coalesce(' after ' || seconds || ' seconds', '') || {handed_back}
         ELSE e.type END AS message
FROM {numbered} e
JOIN syncline.events s ON s.task = e.task AND s.version = 1
CROSS JOIN LATERAL (
  SELECT to_char((e.data ->> 'seconds')::numeric, 'FM9999999990.00') AS seconds,
         to_char((e.data ->> 'seconds')::numeric / 60, 'FM9999999990.00') AS minutes,
         coalesce(': ' || coalesce(e.data ->> 'error', e.data ->> 'reason'), '') AS why
) AS d
CROSS JOIN LATERAL (SELECT coalesce(' in [' || seconds || '] seconds (~ ' || minutes || ' minutes)', '') AS took) AS t
WHERE e.line IS NOT NULL
"""
WHY: Final = "why"
UNTIL_WHEN_AND_WHY: Final = """CASE
             WHEN e.data ? 'postponed_since'
             THEN ': waiting until ' || to_char((e.data ->> 'run_at')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
               || ' because ' || (e.data ->> 'reason')
             ELSE why END"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run(LINES.format(numbered=IN_TWO_PARTS, handed_back=UNTIL_WHEN_AND_WHY))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run(LINES.format(numbered=IN_TWO_PARTS, handed_back=WHY))


def _run(statement: str) -> None:
    # Neither the colons nor the percent signs of a statement are parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
