"""Any moment of the past: the tasks, the queue and the collections as they were

`folded` is `evolve` of app/domain/task.py over the events of a task up to a time or a position. A task that had ended by then is
as it is now; of a collection, only the newest task that had begun by then can have been active.

Times are those of the events. A position is that of a transaction, and tells exactly what was there when it was read.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# A moment is given by three values: no event after the time `upto_at`, none after the position `upto_xid`, and when that was
# (`moment`). One of the first two is infinite.
ROW: Final = """
  task uuid, source text, collection text, source_type text, trigger text, fire_time timestamptz, priority bigint,
  max_attempts smallint, status text, attempt smallint, failures smallint, rows bigint, error text, created_at timestamptz,
  started_at timestamptz, finished_at timestamptz, version integer, backfill text, run_at timestamptz, worker uuid,
  cancel_requested boolean, changed_at timestamptz, pool text, progress jsonb
"""
COLUMNS: Final = """task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
         created_at, started_at, finished_at, version, backfill"""

INTERNAL: Final = {
    "folded(uuid, timestamptz, xid8)": f"""
CREATE FUNCTION syncline.folded(of_task uuid, upto_at timestamptz, upto_xid xid8)
RETURNS TABLE ({ROW})
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT of_task, request ->> 'source', request ->> 'collection', request ->> 'source_type', request ->> 'trigger',
         nullif(request ->> 'fire_time', '')::timestamptz, (request ->> 'priority')::bigint,
         (request ->> 'max_attempts')::smallint, life.status, coalesce(started.attempt, 0)::smallint, life.failures::smallint,
         coalesce(life.rows, 0)::bigint, CASE life.status WHEN 'SUCCESS' THEN NULL ELSE life.error END, life.created_at,
         life.started_at, life.finished_at, life.version, request ->> 'backfill', coalesce(life.run_at, life.created_at),
         CASE life.status WHEN 'RUNNING' THEN started.worker END, life.cancel_requested, life.changed_at,
         coalesce(request ->> 'pool', 'default'),
         CASE life.status WHEN 'RUNNING' THEN (
           SELECT p.data FROM syncline.events p
           WHERE p.task = of_task AND p.type = 'ProgressReported' AND p.attempt = started.attempt AND p.at <= upto_at
             AND p.xid <= upto_xid
           ORDER BY p.version DESC LIMIT 1
         ) END
  FROM (
    SELECT (array_agg(e.data ORDER BY e.version))[1] AS request, max(e.version) AS version, max(e.at) AS changed_at,
           (array_agg(e.status ORDER BY e.version DESC))[1] AS status, min(e.at) AS created_at,
           count(*) FILTER (WHERE e.type IN ('AttemptFailed', 'AttemptRescued', 'TaskFailed')) AS failures,
           sum((e.data ->> 'rows')::bigint) FILTER (WHERE e.type = 'BookmarkSaved') AS rows,
           (array_agg(e.data ->> 'error' ORDER BY e.version DESC) FILTER (
             WHERE e.data ? 'error'
               AND e.type IN ('AttemptFailed', 'AttemptRescued', 'AttemptHandedBack', 'TaskFailed', 'TaskCanceled')
           ))[1] AS error,
           min(e.at) FILTER (WHERE e.type = 'TaskStarted') AS started_at,
           max(e.at) FILTER (WHERE e.type IN ('TaskSucceeded', 'TaskFailed', 'TaskCanceled')) AS finished_at,
           (array_agg((e.data ->> 'run_at')::timestamptz ORDER BY e.version DESC) FILTER (
             WHERE e.type IN ('AttemptFailed', 'AttemptRescued', 'AttemptHandedBack')
           ))[1] AS run_at,
           coalesce(bool_or(e.type = 'CancelRequested'), false) AS cancel_requested
    FROM syncline.events e
    WHERE e.task = of_task AND e.status IS NOT NULL AND e.at <= upto_at AND e.xid <= upto_xid
  ) AS life
  LEFT JOIN LATERAL (
    SELECT s.attempt, s.worker FROM syncline.events s
    WHERE s.task = of_task AND s.type = 'TaskStarted' AND s.at <= upto_at AND s.xid <= upto_xid
    ORDER BY s.version DESC LIMIT 1
  ) AS started ON true
  WHERE life.version IS NOT NULL
$$
""",
    "below_as_of(timestamptz)": """
CREATE FUNCTION syncline.below_as_of(moment timestamptz)
RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
-- The ids of a collection run ahead of a clock that was set back, so there is a day of slack.
AS $$
  SELECT CASE WHEN moment < syncline.clock() THEN syncline.uuid7_floor(greatest(moment, timestamptz '1970-01-01 00:00:00Z') + interval '1 day')
              ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff' END
$$
""",
    "ended_as_of(uuid, integer, timestamptz, xid8)": """
CREATE FUNCTION syncline.ended_as_of(of_task uuid, last_version integer, upto_at timestamptz, upto_xid xid8)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT EXISTS (
    SELECT FROM syncline.events e WHERE e.task = of_task AND e.version = last_version AND e.at <= upto_at AND e.xid <= upto_xid
  )
$$
""",
    "newest_as_of(text, text, timestamptz, xid8, timestamptz)": """
CREATE FUNCTION syncline.newest_as_of(
  of_source text, of_collection text, upto_at timestamptz, upto_xid xid8, moment timestamptz
)
RETURNS TABLE (task uuid, has_ended boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT n.task, n.has_ended FROM (
    SELECT c.task, false AS has_ended FROM syncline.collections c
    WHERE c.source = of_source AND c.collection = of_collection AND c.status IN ('SCHEDULED', 'RUNNING')
      AND syncline.ended_as_of(c.task, 1, upto_at, upto_xid)
    UNION ALL
    (
      SELECT t.task, syncline.ended_as_of(t.task, t.version, upto_at, upto_xid)
      FROM syncline.tasks t
      WHERE t.source = of_source AND t.collection = of_collection AND t.task < syncline.below_as_of(moment)
        AND t.created_at <= upto_at AND syncline.ended_as_of(t.task, 1, upto_at, upto_xid)
      ORDER BY t.task DESC LIMIT 1
    )
  ) AS n
  ORDER BY n.task DESC LIMIT 1
$$
""",
    "active_as_of(text, text, timestamptz, xid8, timestamptz)": f"""
CREATE FUNCTION syncline.active_as_of(
  of_source text, of_collection text, upto_at timestamptz, upto_xid xid8, moment timestamptz
)
RETURNS TABLE ({ROW})
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT f.* FROM syncline.collections k
  CROSS JOIN LATERAL syncline.newest_as_of(k.source, k.collection, upto_at, upto_xid, moment) AS n
  CROSS JOIN LATERAL syncline.folded(n.task, upto_at, upto_xid) AS f
  WHERE (of_source IS NULL OR k.source = of_source) AND (of_collection IS NULL OR k.collection = of_collection) AND NOT n.has_ended
$$
""",
    "tasks_as_of(text, text, timestamptz, xid8, timestamptz)": f"""
CREATE FUNCTION syncline.tasks_as_of(
  of_source text, of_collection text, upto_at timestamptz, upto_xid xid8, moment timestamptz
)
RETURNS TABLE ({ROW})
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT {COLUMNS}, NULL::timestamptz, NULL::uuid, NULL::boolean, t.finished_at, NULL::text, NULL::jsonb
  FROM syncline.tasks t
  WHERE t.finished_at <= upto_at AND t.task < syncline.below_as_of(moment)
    AND (of_source IS NULL OR t.source = of_source) AND (of_collection IS NULL OR t.collection = of_collection)
    AND (upto_xid = '18446744073709551615' OR syncline.ended_as_of(t.task, t.version, upto_at, upto_xid))
  UNION ALL
  SELECT * FROM syncline.active_as_of(of_source, of_collection, upto_at, upto_xid, moment)
$$
""",
    "pause_as_of(text, text, timestamptz, xid8, timestamptz)": """
CREATE FUNCTION syncline.pause_as_of(of_source text, of_collection text, upto_at timestamptz, upto_xid xid8, moment timestamptz)
RETURNS TABLE (since timestamptz, until timestamptz, who text, note text)
LANGUAGE sql STABLE PARALLEL SAFE
-- What changed or ended a pause later says since when there was one, should retention have removed its beginning.
AS $$
  SELECT p.since, p.until, p.who, p.note FROM (
    SELECT * FROM (
      (
        SELECT 1 AS place, e.type, (e.data ->> 'since')::timestamptz AS since, (e.data ->> 'until')::timestamptz AS until,
               e.data -> 'who' ->> 'name' AS who, e.data ->> 'note' AS note
        FROM syncline.events e
        WHERE e.status IS NULL AND e.type IN ('CollectionPaused', 'CollectionResumed') AND e.data ->> 'source' = of_source
          AND e.data ->> 'collection' IS NOT DISTINCT FROM of_collection AND e.at <= upto_at AND e.xid <= upto_xid
        ORDER BY e.xid DESC LIMIT 1
      )
      UNION ALL
      (
        SELECT 2, e.type, (e.data ->> 'since')::timestamptz, NULL, NULL, NULL
        FROM syncline.events e
        WHERE e.status IS NULL AND e.type IN ('CollectionPaused', 'CollectionResumed') AND e.data ->> 'source' = of_source
          AND e.data ->> 'collection' IS NOT DISTINCT FROM of_collection AND NOT (e.at <= upto_at AND e.xid <= upto_xid)
        ORDER BY e.xid LIMIT 1
      )
    ) AS around ORDER BY place LIMIT 1
  ) AS p
  WHERE p.since <= moment AND (p.place = 2 OR p.type = 'CollectionPaused' AND coalesce(p.until > moment, true))
$$
""",
    "collections_as_of(timestamptz, xid8, timestamptz)": """
CREATE FUNCTION syncline.collections_as_of(upto_at timestamptz, upto_xid xid8, moment timestamptz)
RETURNS TABLE (
  source text, collection text, last_task uuid, last_status text, last_success_at timestamptz, last_failure_at timestamptz,
  consecutive_failures integer, active_task uuid, active_status text, paused_since timestamptz, paused_until timestamptz,
  paused_by text, pause_note text
)
LANGUAGE sql STABLE PARALLEL SAFE
-- What retention may have removed is null: a success or failure before the first day that is complete, unless it still is the
-- last one, the failures since, and the last task. It may even not be known whether there was one.
AS $$
  SELECT k.source, k.collection, CASE WHEN known.last THEN n.task END,
         CASE WHEN known.last THEN coalesce(f.status, ended.status) END, CASE WHEN known.success THEN s.finished_at END,
         CASE WHEN known.failure THEN x.finished_at END,
         CASE WHEN known.success THEN (
           SELECT count(*)::integer FROM syncline.tasks u
           WHERE u.source = k.source AND u.collection = k.collection AND u.status = 'FAILED' AND (s.task IS NULL OR u.task > s.task)
             AND u.task < syncline.below_as_of(moment) AND syncline.ended_as_of(u.task, u.version, upto_at, upto_xid)
         ) + coalesce((
           SELECT r.failures FROM syncline.retired_failures r
           WHERE r.source = k.source AND r.collection = k.collection AND r.success IS NOT DISTINCT FROM s.task
         ), 0)::integer END,
         CASE WHEN NOT n.has_ended THEN n.task END, CASE WHEN NOT n.has_ended THEN f.status END, p.since, p.until, p.who, p.note
  FROM syncline.collections k
  LEFT JOIN LATERAL syncline.newest_as_of(k.source, k.collection, upto_at, upto_xid, moment) AS n ON true
  LEFT JOIN LATERAL syncline.folded(n.task, upto_at, upto_xid) AS f ON NOT n.has_ended
  LEFT JOIN syncline.tasks ended ON ended.task = n.task AND n.has_ended
  LEFT JOIN LATERAL (
    SELECT u.task, u.finished_at FROM syncline.tasks u
    WHERE u.source = k.source AND u.collection = k.collection AND u.status = 'SUCCESS' AND u.task < syncline.below_as_of(moment)
      AND syncline.ended_as_of(u.task, u.version, upto_at, upto_xid)
    ORDER BY u.task DESC LIMIT 1
  ) AS s ON true
  LEFT JOIN LATERAL (
    SELECT u.finished_at FROM syncline.tasks u
    WHERE u.source = k.source AND u.collection = k.collection AND u.status = 'FAILED' AND u.task < syncline.below_as_of(moment)
      AND syncline.ended_as_of(u.task, u.version, upto_at, upto_xid)
    ORDER BY u.task DESC LIMIT 1
  ) AS x ON true
  CROSS JOIN LATERAL (
    SELECT r.horizon, r.horizon IS NULL OR s.finished_at >= r.horizon OR s.finished_at IS NOT DISTINCT FROM k.last_success_at AS success,
           r.horizon IS NULL OR x.finished_at >= r.horizon OR x.finished_at IS NOT DISTINCT FROM k.last_failure_at AS failure,
           r.horizon IS NULL OR NOT n.has_ended OR ended.finished_at >= r.horizon OR n.task = k.task AS last
    FROM (SELECT (SELECT sealed_before::timestamp AT TIME ZONE 'UTC' FROM syncline.retention) AS horizon) AS r
  ) AS known
  LEFT JOIN LATERAL (
    SELECT q.* FROM (VALUES (k.collection), (NULL)) AS paused (collection)
    CROSS JOIN LATERAL syncline.pause_as_of(k.source, paused.collection, upto_at, upto_xid, moment) AS q
    ORDER BY q.until DESC NULLS FIRST, paused.collection NULLS LAST LIMIT 1
  ) AS p ON true
  WHERE n.task IS NOT NULL OR known.horizon IS NOT NULL
$$
""",
    "refuse_gone(timestamptz)": """
CREATE FUNCTION syncline.refuse_gone(moment timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  first timestamptz;
BEGIN
  SELECT sealed_before::timestamp AT TIME ZONE 'UTC' INTO first FROM syncline.retention;
  IF moment < first THEN
    RAISE EXCEPTION 'retention has removed tasks that had ended before %', first
      USING HINT = 'Ask for a time from then on.', ERRCODE = 'no_data_found';
  END IF;
  RETURN moment;
END $$
""",
}

EVERYTHING: Final = "'18446744073709551615'::xid8"
AS_OF: Final = f"syncline.refuse_gone(t), {EVERYTHING}, t"
# Functions for reports: (text, comment).
REPORTS: Final = {
    "tasks_as_of(timestamptz, text, text)": (
        f"""
CREATE FUNCTION reporting.tasks_as_of(t timestamptz, of_source text DEFAULT NULL, of_collection text DEFAULT NULL)
RETURNS TABLE (
  task_id text, task uuid, source text, collection text, source_type text, trigger text, fire_time timestamptz, status text,
  attempt smallint, failures smallint, max_attempts smallint, priority bigint, rows bigint, error text, created_at timestamptz,
  started_at timestamptz, finished_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.source || '_' || a.collection || '_' || a.task, a.task, a.source, a.collection, a.source_type, a.trigger, a.fire_time,
         a.status, a.attempt, a.failures, a.max_attempts, a.priority, a.rows, a.error, a.created_at, a.started_at, a.finished_at
  FROM syncline.tasks_as_of(of_source, of_collection, {AS_OF}) AS a
$$
""",
        "The tasks as they were at a time, as in reporting.tasks; only those of a source or a collection, if these are given.",
    ),
    "queue_as_of(timestamptz)": (
        f"""
CREATE FUNCTION reporting.queue_as_of(t timestamptz)
RETURNS TABLE (
  task_id text, task uuid, source text, collection text, status text, priority bigint, run_at timestamptz, due_in interval,
  attempt smallint, failures smallint, max_attempts smallint, cancel_requested boolean, worker uuid, worker_host text,
  changed_at timestamptz, pool text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.source || '_' || a.collection || '_' || a.task, a.task, a.source, a.collection, a.status, a.priority, a.run_at,
         greatest(a.run_at - t, interval '0'), a.attempt, a.failures, a.max_attempts, a.cancel_requested, a.worker, w.host,
         a.changed_at, a.pool
  FROM syncline.active_as_of(NULL, NULL, {AS_OF}) AS a LEFT JOIN syncline.workers w ON w.worker = a.worker
$$
""",
        "The active tasks as they were at a time, as in reporting.queue.",
    ),
    "collections_as_of(timestamptz)": (
        f"""
CREATE FUNCTION reporting.collections_as_of(t timestamptz)
RETURNS TABLE (
  source text, collection text, last_task_id text, last_task uuid, last_status text, last_success_at timestamptz,
  last_failure_at timestamptz, consecutive_failures integer, active_task uuid, active_status text, paused_since timestamptz,
  paused_until timestamptz, paused_by text, pause_note text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.source, a.collection, a.source || '_' || a.collection || '_' || a.last_task, a.last_task, a.last_status,
         a.last_success_at, a.last_failure_at, a.consecutive_failures, a.active_task, a.active_status, a.paused_since,
         a.paused_until, a.paused_by, a.pause_note
  FROM syncline.collections_as_of({AS_OF}) AS a
$$
""",
        "The collections that had had a task by a time, as they were then, as in reporting.collections.",
    ),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for text in INTERNAL.values():
        _run(text)
    for signature, (text, comment) in REPORTS.items():
        _run(text)
        _run(f"COMMENT ON FUNCTION reporting.{signature} IS {_quoted(comment)}")
    for function in [*(f"syncline.{name}" for name in INTERNAL), *(f"reporting.{name}" for name in REPORTS)]:
        _run(_rights(function))


def _rights(function: str) -> str:
    """The application may look back by the store's functions, and reports by those for reports."""
    role = "syncline_report" if function.startswith("reporting.") else "syncline_app"
    return f"""
DO $$ BEGIN
  REVOKE ALL ON FUNCTION {function} FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    GRANT EXECUTE ON FUNCTION {function} TO {role};
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER FUNCTION {function} OWNER TO syncline_owner;
  END IF;
END $$;
"""


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function in reversed([*(f"syncline.{name}" for name in INTERNAL), *(f"reporting.{name}" for name in REPORTS)]):
        _run(f"DROP FUNCTION {function}")


def _run(statement: str) -> None:
    # Neither the colons nor the percent signs of a statement are parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
