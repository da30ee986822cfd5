"""The columns of loaded tables, and how they have changed

Every `SchemaChanged` event is also a row, so that the changes of a collection are found without reading its events. The
newest row of a table has its current columns. Retention keeps that row and its task, and removes older rows with their
tasks.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE syncline.table_schemas (
  source      text        NOT NULL,
  collection  text        NOT NULL,
  destination text        NOT NULL,
  table_name  text        NOT NULL,
  revision    integer     NOT NULL,
  columns     jsonb       NOT NULL,
  changes     jsonb       NOT NULL,
  task        uuid        NOT NULL,
  attempt     smallint    NOT NULL,
  changed_at  timestamptz NOT NULL,
  CONSTRAINT table_schemas_pkey PRIMARY KEY (source, collection, destination, table_name, revision)
)
"""

# Events that a database kept while it was at an older revision.
FILL = """
INSERT INTO syncline.table_schemas
SELECT t.source, t.collection, e.data ->> 'destination', e.data ->> 'table', (e.data ->> 'revision')::integer,
       e.data -> 'columns', e.data -> 'changes', e.task, e.attempt, e.at
FROM syncline.events e JOIN syncline.tasks t USING (task)
WHERE e.type = 'SchemaChanged'
"""


class View(NamedTuple):
    name: str
    comment: str
    query: str
    columns: dict[str, str]


KEY = {
    "source": "The source, as the configuration names it.",
    "collection": "The collection of the source.",
    "destination": "The destination, as the configuration names it.",
    "table_name": "The table in the destination.",
}
VIEWS = (
    View(
        "columns",
        "The columns of every table that was loaded, as the last load found them.",
        """
        SELECT s.source, s.collection, s.destination, s.table_name, c.position::integer AS position,
               c.value ->> 'field' AS field, c.value ->> 'field_type' AS field_type, c.value ->> 'column' AS column_name,
               c.value ->> 'column_type' AS column_type, s.changed_at
        FROM syncline.table_schemas s
        CROSS JOIN LATERAL jsonb_array_elements(s.columns) WITH ORDINALITY AS c (value, position)
        WHERE NOT EXISTS (
          SELECT FROM syncline.table_schemas n
          WHERE n.source = s.source AND n.collection = s.collection AND n.destination = s.destination
            AND n.table_name = s.table_name AND n.revision > s.revision
        )
        """,
        KEY
        | {
            "position": "The column's number in its table: 1, 2, 3, …",
            "field": "The name at the source.",
            "field_type": "The type at the source.",
            "column_name": "The name in the destination; null if it has no such column, or does not tell.",
            "column_type": "The type in the destination.",
            "changed_at": "When a column of the table last changed, or when the table was first loaded.",
        },
    ),
    View(
        "schema_changes",
        "Columns that were new, were no longer sent, or had another type.",
        """
        SELECT s.changed_at AS at, s.source, s.collection, s.destination, s.table_name, c.value ->> 'change' AS change,
               c.value ->> 'field' AS field, c.value ->> 'column' AS column_name,
               c.value ->> 'from_field_type' AS from_field_type, c.value ->> 'to_field_type' AS to_field_type,
               c.value ->> 'from_column_type' AS from_column_type, c.value ->> 'to_column_type' AS to_column_type,
               c.value ->> 'perhaps_renamed' AS perhaps_renamed,
               s.source || '_' || s.collection || '_' || s.task AS task_id, s.task, s.attempt
        FROM syncline.table_schemas s CROSS JOIN LATERAL jsonb_array_elements(s.changes) AS c (value)
        """,
        {"at": "When a load found the change."}
        | KEY
        | {
            "change": "added, removed (the source no longer sends it) or retyped.",
            "field": "The name at the source.",
            "column_name": "The name in the destination; null if it has no such column, or does not tell.",
            "from_field_type": "The type at the source before; null if the field is new.",
            "to_field_type": "The type at the source since then; null if it is no longer sent.",
            "from_column_type": "The type in the destination before.",
            "to_column_type": "The type in the destination since then.",
            "perhaps_renamed": "The other name, if one field was removed and one of the same type was added.",
            "task_id": "The id of the task that found it, as the API shows it.",
            "task": "The UUID of the task that found it.",
            "attempt": "The attempt that found it.",
        },
    ),
)

RIGHTS = """
DO $$ BEGIN
  REVOKE ALL ON syncline.table_schemas, reporting.columns, reporting.schema_changes FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.table_schemas TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.table_schemas OWNER TO syncline_owner;
    ALTER VIEW reporting.columns OWNER TO syncline_owner;
    ALTER VIEW reporting.schema_changes OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT SELECT ON reporting.columns, reporting.schema_changes TO syncline_report;
  END IF;
END $$;
"""

# The changes of functions of 0005. Replacing a function keeps its owner and rights.
BOOKMARKS_STAY = (
    "AND NOT EXISTS (SELECT FROM syncline.bookmarks b"
    " WHERE b.source = t.source AND b.collection = t.collection AND b.task = t.task)\n"
)
SCHEMAS_STAY = """    AND NOT EXISTS (
      SELECT FROM syncline.table_schemas c
      WHERE c.source = t.source AND c.collection = t.collection AND c.task = t.task AND NOT EXISTS (
        SELECT FROM syncline.table_schemas n
        WHERE n.source = c.source AND n.collection = c.collection AND n.destination = c.destination
          AND n.table_name = c.table_name AND n.revision > c.revision
      )
    )
"""
TASKS_GO = "WHERE t.task >= lowest AND t.task < highest AND NOT EXISTS (SELECT FROM unnest(stay) AS s (task) WHERE s.task = t.task);\n"
SCHEMAS_GO = "      DELETE FROM syncline.table_schemas t\n      " + TASKS_GO
CHANGES = (
    ("syncline.spare_tasks(timestamptz, timestamptz)", BOOKMARKS_STAY, BOOKMARKS_STAY + SCHEMAS_STAY),
    ("syncline.retire_tasks(interval)", TASKS_GO, TASKS_GO + SCHEMAS_GO),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)
    op.execute(FILL)
    for view in VIEWS:
        op.execute(f"CREATE VIEW reporting.{view.name} AS {view.query}")
        op.execute(f"COMMENT ON VIEW reporting.{view.name} IS {_quoted(view.comment)}")
        for column, comment in view.columns.items():
            op.execute(f"COMMENT ON COLUMN reporting.{view.name}.{column} IS {_quoted(comment)}")
    op.execute(RIGHTS)
    for function, old, new in CHANGES:
        _rewrite(function, old, new)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, old, new in CHANGES:
        _rewrite(function, new, old)
    for view in VIEWS:
        op.execute(f"DROP VIEW reporting.{view.name}")
    op.execute("DROP TABLE syncline.table_schemas")


def _quoted(text: str) -> str:
    # Alembic passes the string to SQLAlchemy, where a colon before a word starts a parameter.
    return "'" + text.replace("'", "''").replace(":", "\\:") + "'"


def _rewrite(function: str, old: str, new: str) -> None:
    """Replace a part of the function, which keeps its owner and its rights."""
    connection = op.get_bind()
    text: str = connection.exec_driver_sql(f"SELECT pg_get_functiondef('{function}'::regprocedure)").scalar_one()
    if text.count(old) != 1:
        raise RuntimeError(f"{function} is not as revision 0011 left it: {old!r} is not in it once")
    connection.exec_driver_sql(text.replace(old, new).replace("%", "%%"))
