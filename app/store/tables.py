"""The current tables; `alembic check` compares this description with the migrations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

SCHEMA = "syncline"


class XID8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = XID8

metadata = MetaData(schema=SCHEMA)

INSTANT = DateTime(timezone=True)


def _required(name: str, kind: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, **options)


events = Table(
    "events",
    metadata,
    _required("task", Uuid),
    _required("version", Integer),
    _required("type", Text),
    _required("v", SmallInteger, server_default=text("1")),
    _required("at", INSTANT),
    Column("status", Text),
    _required("attempt", SmallInteger),
    Column("worker", Uuid),
    _required("data", JSONB, server_default=text("'{}'")),
    _required("xid", XID8, server_default=text("syncline.position()")),
    Column("line", Integer),
    PrimaryKeyConstraint("task", "version", name="events_pkey"),
    CheckConstraint("version > 0", name="events_version_positive"),
    Index("events_xid", "xid"),
    Index(
        "events_facts",
        text("(data ->> 'source')"),
        text("(data ->> 'collection')"),
        postgresql_where=text("status IS NULL"),
    ),
    Index("events_with_late_line", "task", postgresql_where=text("line IS NOT NULL AND version > 100")),
    postgresql_partition_by="RANGE (task)",
)

log_events = Table(
    "log_events",
    metadata,
    _required("task", Uuid),
    _required("attempt", SmallInteger),
    _required("line", Integer),
    _required("at", INSTANT),
    _required("level", Text),
    _required("message", Text),
    Column("system", Text),
    PrimaryKeyConstraint("task", "attempt", "line", name="log_events_pkey"),
    postgresql_partition_by="RANGE (task)",
)

collections = Table(
    "collections",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("task", Uuid),
    _required("status", Text),
    _required("source_type", Text),
    _required("trigger", Text),
    Column("fire_time", INSTANT),
    _required("priority", BigInteger),
    _required("max_attempts", SmallInteger),
    Column("backfill", Text),
    _required("run_at", INSTANT),
    _required("version", Integer),
    _required("attempt", SmallInteger),
    _required("failures", SmallInteger),
    _required("rows", BigInteger),
    Column("error", Text),
    _required("created_at", INSTANT),
    Column("started_at", INSTANT),
    Column("worker", Uuid),
    _required("cancel_requested", Boolean),
    _required("claim", BigInteger),
    _required("changed_at", INSTANT),
    _required("xid", XID8),
    Column("last_success_at", INSTANT),
    Column("last_failure_at", INSTANT),
    _required("consecutive_failures", Integer),
    _required("pool", Text, server_default=text("'default'")),
    Column("line", Integer),
    Column("again", JSONB),
    PrimaryKeyConstraint("source", "collection", name="collections_pkey"),
    CheckConstraint("status IN ('SCHEDULED', 'RUNNING', 'SUCCESS', 'FAILED', 'CANCELED')", name="collections_status"),
    Index("collections_ready", "pool", text("priority DESC"), "task", postgresql_where=text("status = 'SCHEDULED'")),
    Index("collections_running", "worker", postgresql_where=text("status = 'RUNNING'")),
)

tasks = Table(
    "tasks",
    metadata,
    _required("task", Uuid),
    _required("source", Text),
    _required("collection", Text),
    _required("source_type", Text),
    _required("trigger", Text),
    Column("fire_time", INSTANT),
    _required("priority", BigInteger),
    _required("max_attempts", SmallInteger),
    _required("status", Text),
    _required("attempt", SmallInteger),
    _required("failures", SmallInteger),
    _required("rows", BigInteger),
    Column("error", Text),
    _required("created_at", INSTANT),
    Column("started_at", INSTANT),
    _required("finished_at", INSTANT),
    _required("version", Integer),
    Column("backfill", Text),
    PrimaryKeyConstraint("task", name="tasks_pkey"),
    Index("tasks_by_collection", "source", "collection", "created_at", "task"),
    Index("tasks_of_source", "source", "created_at", "task", postgresql_where=text("version > 0")),
    Index("tasks_without_success", "task", postgresql_where=text("status <> 'SUCCESS'")),
    Index("tasks_by_end", "finished_at", postgresql_where=text("rows > 0 OR status = 'FAILED'")),
    postgresql_partition_by="RANGE (task)",
)

bookmarks = Table(
    "bookmarks",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("destination", Text),
    Column("bookmark", JSONB),
    _required("generation", BigInteger),
    _required("task", Uuid),
    _required("attempt", SmallInteger),
    _required("saved_at", INSTANT),
    PrimaryKeyConstraint("source", "collection", "destination", name="bookmarks_pkey"),
)

table_schemas = Table(
    "table_schemas",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("destination", Text),
    _required("table_name", Text),
    _required("revision", Integer),
    _required("columns", JSONB),
    _required("changes", JSONB),
    _required("task", Uuid),
    _required("attempt", SmallInteger),
    _required("changed_at", INSTANT),
    PrimaryKeyConstraint("source", "collection", "destination", "table_name", "revision", name="table_schemas_pkey"),
)

schedules = Table(
    "schedules",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("source_type", Text),
    _required("max_attempts", SmallInteger),
    _required("expression", Text),
    _required("timezone", Text),
    _required("misfire", Text),
    Column("misfire_window", Interval),
    Column("next_fire_at", INSTANT),
    Column("last_fire_at", INSTANT),
    _required("active", Boolean),
    _required("updated_at", INSTANT),
    Column("missing_since", INSTANT),
    _required("pool", Text, server_default=text("'default'")),
    _required("delay", Interval, server_default=text("'00:00:00'")),
    PrimaryKeyConstraint("source", "collection", name="schedules_pkey"),
    CheckConstraint("misfire IN ('skip', 'latest', 'all')", name="schedules_misfire"),
    Index("schedules_due", "next_fire_at", postgresql_where=text("active")),
)

fire_times = Table(
    "fire_times",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("fire_time", INSTANT),
    _required("outcome", Text),
    _required("misfire", Text),
    Column("reason", Text),
    Column("task", Uuid),
    _required("worker", Uuid),
    _required("decided_at", INSTANT),
    PrimaryKeyConstraint("source", "collection", "fire_time", name="fire_times_pkey"),
    CheckConstraint("outcome IN ('started', 'skipped', 'missed')", name="fire_times_outcome"),
    postgresql_partition_by="RANGE (fire_time)",
)

workers = Table(
    "workers",
    metadata,
    _required("worker", Uuid),
    _required("host", Text),
    _required("pid", Integer),
    _required("release", Text),
    _required("slots", Integer),
    _required("state", Text),
    _required("started_at", INSTANT),
    _required("renewed_at", INSTANT),
    _required("lease_until", INSTANT),
    _required("pools", ARRAY(Text), server_default=text("'{default}'")),
    Column("content", Text),
    PrimaryKeyConstraint("worker", name="workers_pkey"),
    CheckConstraint("state IN ('active', 'draining', 'stopped', 'lost')", name="workers_state"),
)

resets = Table(
    "resets",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("generation", BigInteger),
    _required("reset_at", INSTANT),
    Column("fact", Uuid),
    _required("xid", XID8, server_default=text("'0'")),
    PrimaryKeyConstraint("source", "collection", name="resets_pkey"),
)

sync_requests = Table(
    "sync_requests",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _required("source", Text),
    _required("collection", Text),
    _required("requested_by", Text),
    Column("note", Text),
    _required("requested_at", INSTANT),
    _required("xid", XID8, server_default=text("pg_current_xact_id()")),
    PrimaryKeyConstraint("id", name="sync_requests_pkey"),
    Index("sync_requests_xid", "xid"),
)

catalogue_content = Table(
    "catalogue_content",
    metadata,
    _required("one", Boolean, server_default=text("true")),
    Column("digest", Text),
    Column("key_id", Text),
    _required("xid", XID8, server_default=text("'0'")),
    PrimaryKeyConstraint("one", name="catalogue_content_pkey"),
    CheckConstraint("one", name="catalogue_content_one"),
)

catalogue_parts = Table(
    "catalogue_parts",
    metadata,
    _required("kind", Text),
    _required("name", Text),
    _required("collection", Text),
    _required("digest", Text),
    _required("keys", JSONB),
    PrimaryKeyConstraint("kind", "name", "collection", name="catalogue_parts_pkey"),
)

pauses = Table(
    "pauses",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    _required("since", INSTANT),
    _required("ends_at", INSTANT),
    _required("changed_at", INSTANT),
    Column("who", JSONB),
    Column("note", Text),
    _required("fact", Uuid),
    _required("xid", XID8),
    PrimaryKeyConstraint("source", "collection", name="pauses_pkey"),
    Index("pauses_ends_at", "ends_at"),
)

outages = Table(
    "outages",
    metadata,
    _required("destination", Text),
    _required("sources", ARRAY(Text)),
    _required("since", INSTANT),
    _required("probes", Integer),
    _required("probe_at", INSTANT),
    _required("error", Text),
    PrimaryKeyConstraint("destination", name="outages_pkey"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _required("projection", Text),
    _required("generation", Integer),
    _required("state", Text),
    _required("xid", XID8),
    _required("updated_at", INSTANT),
    PrimaryKeyConstraint("projection", "generation", name="checkpoints_pkey"),
    CheckConstraint("state IN ('building', 'live')", name="checkpoints_state"),
)

retention = Table(
    "retention",
    metadata,
    _required("one", Boolean, server_default=text("true")),
    _required("rounds", BigInteger),
    Column("sealed_before", Date),
    Column("logs_seen_at", INSTANT),
    Column("gone_upto", XID8),
    Column("differing_weeks", ARRAY(Date)),
    Column("unarchived_weeks", ARRAY(Date)),
    _required("archive_wanted", Boolean, server_default=text("false")),
    PrimaryKeyConstraint("one", name="retention_pkey"),
    CheckConstraint("one", name="retention_one"),
)

retired_failures = Table(
    "retired_failures",
    metadata,
    _required("source", Text),
    _required("collection", Text),
    Column("success", Uuid),
    _required("failures", Integer),
    PrimaryKeyConstraint("source", "collection", name="retired_failures_pkey"),
)

seals = Table(
    "seals",
    metadata,
    _required("number", BigInteger),
    _required("week", Date),
    _required("before", Date),
    _required("events", BigInteger),
    _required("streams", BigInteger),
    _required("root", LargeBinary),
    _required("replaces", ARRAY(BigInteger)),
    _required("archived", Boolean),
    _required("sealed_at", INSTANT),
    _required("previous", LargeBinary),
    _required("seal", LargeBinary),
    PrimaryKeyConstraint("number", name="seals_pkey"),
)

sealed_streams = Table(
    "sealed_streams",
    metadata,
    _required("seal", BigInteger),
    _required("block", Integer),
    _required("streams", LargeBinary),
    PrimaryKeyConstraint("seal", "block", name="sealed_streams_pkey"),
)

redactions = Table(
    "redactions",
    metadata,
    _required("task", Uuid),
    _required("version", Integer),
    _required("field", Text),
    _required("digest", LargeBinary),
    _required("fact", Uuid),
    _required("redacted_at", INSTANT),
    PrimaryKeyConstraint("task", "version", "field", name="redactions_pkey"),
    CheckConstraint("field IN ('error', 'message', 'note', 'problems', 'reason', 'who')", name="redactions_field"),
)

renewed_configs = Table(
    "renewed_configs",
    metadata,
    _required("role", Text),
    _required("name", Text),
    _required("key_id", LargeBinary),
    _required("digest", LargeBinary),
    _required("sealed", LargeBinary),
    _required("renewed_at", INSTANT),
    PrimaryKeyConstraint("role", "name", "digest", name="renewed_configs_pkey"),
    CheckConstraint("role IN ('source', 'destination')", name="renewed_configs_role"),
)

catalogues = Table(
    "catalogues",
    metadata,
    _required("catalogue", Text),
    _required("source", Text),
    _required("connector", Text),
    Column("connector_version", Text),
    _required("config_digest", Text),
    _required("digest_key_id", Text),
    _required("used_at", INSTANT),
    PrimaryKeyConstraint("catalogue", "source", name="catalogues_pkey"),
)

digest_key = Table(
    "digest_key",
    metadata,
    _required("one", Boolean, server_default=text("true")),
    _required("key", LargeBinary),
    PrimaryKeyConstraint("one", name="digest_key_pkey"),
    CheckConstraint("one", name="digest_key_one"),
)

daily_collection_stats = Table(
    "daily_collection_stats",
    metadata,
    _required("generation", Integer),
    _required("day", Date),
    _required("source", Text),
    _required("collection", Text),
    _required("success", BigInteger),
    _required("failed", BigInteger),
    _required("canceled", BigInteger),
    _required("rows", BigInteger),
    _required("duration_microseconds", BigInteger),
    _required("queue_wait_microseconds", BigInteger),
    PrimaryKeyConstraint("generation", "source", "collection", "day", name="daily_collection_stats_pkey"),
)

daily_collection_histogram = Table(
    "daily_collection_histogram",
    metadata,
    _required("generation", Integer),
    _required("day", Date),
    _required("source", Text),
    _required("collection", Text),
    _required("measure", Text),
    _required("bucket", Integer),
    _required("tasks", BigInteger),
    PrimaryKeyConstraint(
        "generation", "source", "collection", "day", "measure", "bucket", name="daily_collection_histogram_pkey"
    ),
    CheckConstraint("measure IN ('duration', 'queue_wait')", name="daily_collection_histogram_measure"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    _required("id", Text),
    _required("name", Text),
    _required("scope", Text),
    _required("hash", LargeBinary),
    _required("created_at", INSTANT),
    Column("expires_at", INSTANT),
    Column("last_used_at", INSTANT),
    Column("revoked_at", INSTANT),
    PrimaryKeyConstraint("id", name="api_tokens_pkey"),
    CheckConstraint("scope IN ('read', 'run', 'admin')", name="api_tokens_scope"),
)
