"""A log line says which program has written it

That is a tap, a connector or a target; null is Syncline itself, which is what lines of earlier releases stay.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# Beside `syncline.log_lines`, which stays as it is: a downgrade has to make only this one view anew.
OF_LINES: Final = """
CREATE OR REPLACE VIEW reporting.task_logs AS
SELECT t.source || '_' || t.collection || '_' || l.task AS task_id, l.task, t.source, t.collection, l.attempt, l.line,
       l.at, l.level, l.message, coalesce(l.system, 'Syncline') AS system
FROM (
  SELECT task, attempt, line, at, level, message, system FROM syncline.log_events
  UNION ALL
  SELECT task, attempt, line, at, level, message, NULL FROM syncline.event_lines
) AS l
LEFT JOIN syncline.all_tasks t ON t.task = l.task
"""
MEANING: Final = "What has written it: Syncline, or the name of a tap, a connector or a target."

FORMER: Final = """
CREATE VIEW reporting.task_logs AS
SELECT t.source || '_' || t.collection || '_' || l.task AS task_id, l.task, t.source, t.collection, l.attempt, l.line,
       l.at, l.level, l.message
FROM syncline.log_lines l LEFT JOIN syncline.all_tasks t ON t.task = l.task
"""
RIGHTS: Final = """
DO $$ BEGIN
  REVOKE ALL ON reporting.task_logs FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER VIEW reporting.task_logs OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT SELECT ON reporting.task_logs TO syncline_report;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.log_events ADD COLUMN system text")
    _run(OF_LINES)
    _run(f"COMMENT ON COLUMN reporting.task_logs.system IS '{MEANING}'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _remake_view()
    op.execute("ALTER TABLE syncline.log_events DROP COLUMN system")


def _remake_view() -> None:
    """Make the view anew, because a column of a view cannot be dropped; its other comments stay."""
    view = "'reporting.task_logs'::regclass"
    of_columns = (
        f"SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = {view} AND attnum > 0"
    )
    comments = [(name, text) for name, text in op.get_bind().exec_driver_sql(of_columns) if name != "system"]
    comment: str = op.get_bind().exec_driver_sql(f"SELECT obj_description({view}, 'pg_class')").scalar_one()
    _run("DROP VIEW reporting.task_logs")
    _run(FORMER)
    _run(f"COMMENT ON VIEW reporting.task_logs IS {_quoted(comment)}")
    for name, text in comments:
        _run(f"COMMENT ON COLUMN reporting.task_logs.{name} IS {_quoted(text)}")
    _run(RIGHTS)


def _run(statement: str) -> None:
    # Neither the colons nor the percent signs of a statement are parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
