"""Others ask for a sync in a transaction of their own, with syncline.request_sync

The request is a row, and a worker makes the task of it after the commit. If the function made the task itself, a long transaction
of the caller would hold the head of the collection, and whoever wants to change that would wait.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLE: Final = """
CREATE TABLE syncline.sync_requests (
  id           bigint      GENERATED ALWAYS AS IDENTITY,
  source       text        NOT NULL,
  collection   text        NOT NULL,
  requested_by text        NOT NULL,
  note         text,
  requested_at timestamptz NOT NULL,
  xid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT sync_requests_pkey PRIMARY KEY (id)
);
CREATE INDEX sync_requests_xid ON syncline.sync_requests (xid);
"""

# No notification: it would make the commits of its callers wait for one another. A trigger may call it for each row, so what the
# same transaction has asked for is enough. What another one has asked for is not: a worker may have made a task of that before
# this one commits. Whether there is such a collection is seen by the workers: their catalogues may differ for a while, and that must
# not end a transaction of somebody else. session_user is whoever has logged in, also behind SET ROLE and in functions of others.
FUNCTION: Final = r"""
CREATE FUNCTION syncline.request_sync(source text, collection text, note text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  asked_source text := request_sync.source;
  asked_collection text := request_sync.collection;
  asked_note text := nullif(replace(replace(request_sync.note, E'\r\n', E'\n'), E'\r', E'\n'), '');
BEGIN
  IF asked_source IS NULL OR asked_collection IS NULL THEN
    RAISE EXCEPTION 'source and collection must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  IF length(asked_note) > 1000 OR asked_note ~ '[\u0001-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]' THEN
    RAISE EXCEPTION 'a note has at most 1000 characters, without control characters other than line breaks'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT EXISTS (
    SELECT FROM syncline.sync_requests r
    WHERE r.xid = pg_current_xact_id() AND r.source = asked_source AND r.collection = asked_collection
  ) THEN
    INSERT INTO syncline.sync_requests (source, collection, requested_by, note, requested_at)
    VALUES (asked_source, asked_collection, session_user, asked_note, syncline.clock());
  END IF;
END $$
"""

RIGHTS: Final = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_request') THEN
    BEGIN
      CREATE ROLE syncline_request NOLOGIN;
    EXCEPTION
      WHEN insufficient_privilege THEN RAISE NOTICE 'role syncline_request cannot be made here: see docs/operations.md';
      WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server is migrated just now
    END;
  END IF;
  REVOKE ALL ON syncline.sync_requests FROM PUBLIC;
  REVOKE ALL ON FUNCTION syncline.request_sync(text, text, text) FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, UPDATE, DELETE ON syncline.sync_requests TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.sync_requests OWNER TO syncline_owner;
    ALTER FUNCTION syncline.request_sync(text, text, text) OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_request') THEN
    GRANT USAGE ON SCHEMA syncline TO syncline_request;
    GRANT EXECUTE ON FUNCTION syncline.request_sync(text, text, text) TO syncline_request;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in (TABLE, FUNCTION, RIGHTS):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The role is the server's, and other databases may use it.
    op.execute("DROP FUNCTION syncline.request_sync(text, text, text)")
    op.execute("DROP TABLE syncline.sync_requests")
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_request') THEN"
        " REVOKE USAGE ON SCHEMA syncline FROM syncline_request; END IF; END $$"
    )
