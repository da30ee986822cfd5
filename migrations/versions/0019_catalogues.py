"""What tasks were started with: the connector of their source, its version, and a digest of the source's configuration

The event of a start names the release and the worker's catalogue. What that catalogue says of a source is here, once for each
content of a catalogue and each source of which a task was started with it.

Digests are made with a key, or whoever reads one could try passwords until it fits. Where the catalogue has no secret key, it
is the one here: 32 random bytes of this installation, which reports cannot read.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES: Final = """
CREATE TABLE syncline.catalogues (
  catalogue         text        NOT NULL,
  source            text        NOT NULL,
  connector         text        NOT NULL,
  connector_version text,
  config_digest     text        NOT NULL,
  digest_key_id     text        NOT NULL,
  used_at           timestamptz NOT NULL,
  CONSTRAINT catalogues_pkey PRIMARY KEY (catalogue, source)
) WITH (fillfactor = 80);

CREATE TABLE syncline.digest_key (
  one boolean NOT NULL DEFAULT true CONSTRAINT digest_key_one CHECK (one),
  key bytea   NOT NULL,
  CONSTRAINT digest_key_pkey PRIMARY KEY (one)
);
-- Made here, so that it is in no statement and no log. PostgreSQL takes these UUIDs from its strong source of random numbers.
INSERT INTO syncline.digest_key (key)
SELECT sha256(string_agg(uuid_send(gen_random_uuid()), '')) FROM generate_series(1, 4);
"""

VIEW: Final = """
CREATE VIEW reporting.task_starts AS
SELECT t.source || '_' || t.collection || '_' || e.task AS task_id, e.task, t.source, t.collection, e.attempt, e.at, e.worker,
       e.data ->> 'release' AS release, c.connector, c.connector_version, c.config_digest, c.digest_key_id,
       e.data ->> 'catalogue' AS catalogue
FROM syncline.events e
LEFT JOIN syncline.all_tasks t ON t.task = e.task
LEFT JOIN syncline.catalogues c ON c.catalogue = e.data ->> 'catalogue' AND c.source = t.source
WHERE e.type = 'TaskStarted'
"""
COMMENTS: Final = {
    "task_id": "The task's id as the API shows it: source, collection and UUID.",
    "task": "The task's UUID. Filter by it: the index knows it.",
    "source": "The source, as the configuration names it.",
    "collection": "The collection of the source.",
    "attempt": "The attempt that was started.",
    "at": "When it was started, by the database's clock.",
    "worker": "The worker that started it.",
    "release": "The release of Syncline that this worker ran.",
    "connector": "What reads the source: a package, an image, a function or a kind of source.",
    "connector_version": "Its version, or the library that it reads with; null if Syncline does not know.",
    "config_digest": "The same as long as the configuration of the source is the same, secrets included.",
    "digest_key_id": "The key of the digest. Digests of different keys cannot be compared.",
    "catalogue": "The same as long as all sources of the worker's catalogue have the same connector and configuration.",
}

RIGHTS: Final = """
DO $$ BEGIN
  REVOKE ALL ON syncline.catalogues, syncline.digest_key, reporting.task_starts FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.catalogues TO syncline_app;
    GRANT SELECT ON syncline.digest_key TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.catalogues OWNER TO syncline_owner;
    ALTER TABLE syncline.digest_key OWNER TO syncline_owner;
    ALTER VIEW reporting.task_starts OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT SELECT ON reporting.task_starts TO syncline_report;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    op.execute(VIEW)
    op.execute("COMMENT ON VIEW reporting.task_starts IS 'What each attempt was started with.'")
    connection = op.get_bind()
    for column, comment in COMMENTS.items():
        # A colon would be a parameter to SQLAlchemy.
        connection.exec_driver_sql(f"COMMENT ON COLUMN reporting.task_starts.{column} IS {_quoted(comment)}")
    op.execute(RIGHTS)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW reporting.task_starts")
    op.execute("DROP TABLE syncline.catalogues, syncline.digest_key")
