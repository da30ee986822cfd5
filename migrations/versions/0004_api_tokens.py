"""Tokens of the API, and no bookmarks in the reports

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE syncline.api_tokens (
  id           text        NOT NULL,
  name         text        NOT NULL,
  scope        text        NOT NULL CONSTRAINT api_tokens_scope CHECK (scope IN ('read', 'run', 'admin')),
  hash         bytea       NOT NULL,
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  CONSTRAINT api_tokens_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50);
"""

# The API reads tokens and records their use; it cannot create tokens or restore revoked ones.
RIGHTS = """
DO $$ BEGIN
  REVOKE ALL ON syncline.api_tokens FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, UPDATE (last_used_at) ON syncline.api_tokens TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.api_tokens OWNER TO syncline_owner;
  END IF;
END $$;
"""

TASK_EVENTS = """
CREATE OR REPLACE VIEW reporting.task_events AS
SELECT t.source || '_' || t.collection || '_' || e.task AS task_id, e.task, t.source, t.collection, e.version, e.at,
       e.type, e.status, e.attempt, e.worker, {data} AS data
FROM syncline.events e LEFT JOIN syncline.tasks t ON t.task = e.task
"""

TASK_STORY = """
CREATE OR REPLACE VIEW reporting.task_story AS
SELECT s.task, row_number() OVER (PARTITION BY s.task ORDER BY s.at, s.is_event, s.number) AS position, s.at,
       CASE WHEN s.is_event THEN 'event' ELSE 'log' END AS kind, s.attempt, s.status, s.level, s.message, s.data
FROM (
  SELECT task, at, true AS is_event, version AS number, attempt, status, NULL::text AS level, type AS message, {data} AS data
  FROM syncline.events e
  UNION ALL
  SELECT task, at, false, line, attempt, NULL, level, message, NULL FROM syncline.log_events
) AS s
"""

COMMENT = """
COMMENT ON COLUMN reporting.task_events.data IS '{events}';
COMMENT ON COLUMN reporting.task_story.data IS '{story}';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)
    op.execute(RIGHTS)
    # A bookmark may contain secrets of the source, such as a page token or a signed URL.
    for view in (TASK_EVENTS, TASK_STORY):
        op.execute(view.format(data="e.data - 'bookmark'"))
    op.execute(
        COMMENT.format(
            events="What only this type of event has to say; bookmarks are left out.",
            story="What only this type of event has to say, without bookmarks; null for log lines.",
        )
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for view in (TASK_EVENTS, TASK_STORY):
        op.execute(view.format(data="e.data"))
    op.execute(
        COMMENT.format(
            events="What only this type of event has to say.",
            story="What only this type of event has to say; null for log lines.",
        )
    )
    op.execute("DROP TABLE syncline.api_tokens")
