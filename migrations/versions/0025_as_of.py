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

# A moment is given by five values: no event after the time `upto_at`, none after the position `upto_xid` (one of the two is
# unlimited), when that was (`moment`), an id above those of that time (`below`), and the first of the week before it (`week`). All
# are handed over, because PostgreSQL would work them out again for each collection.
AT: Final = "upto_at timestamptz, upto_xid xid8, moment timestamptz, below uuid, week uuid"
GIVEN: Final = "upto_at, upto_xid, moment, below, week"
TYPES: Final = "timestamptz, xid8, timestamptz, uuid, uuid"
EVERYTHING: Final = "'18446744073709551615'::xid8"
ROW: Final = """
  task uuid, source text, collection text, source_type text, trigger text, fire_time timestamptz, priority bigint,
  max_attempts smallint, status text, attempt smallint, failures smallint, rows bigint, error text, created_at timestamptz,
  started_at timestamptz, finished_at timestamptz, version integer, backfill text, run_at timestamptz, worker uuid,
  cancel_requested boolean, changed_at timestamptz, pool text, progress jsonb
"""
COLUMNS: Final = """task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
         created_at, started_at, finished_at, version, backfill"""


def came(version: str) -> str:
    """Whether an event of task t is not after the position. A time needs no look at it: the row has that of both events."""
    return (
        f"(upto_xid = {EVERYTHING} OR EXISTS (SELECT FROM syncline.events e WHERE e.task = t.task AND e.version = {version}"
        " AND e.xid <= upto_xid))"
    )


# A position has no time of its own, so an hour is allowed for times that events have taken before others.
REQUESTED: Final = f"t.task < below AND t.created_at <= least(upto_at, moment + interval '1 hour') AND {came('1')}"
ENDED: Final = f"(t.finished_at <= upto_at AND {came('t.version')})"
NEWEST: Final = f"""SELECT t.task, {ENDED} AS has_ended, t.status, t.created_at, t.finished_at
          FROM syncline.tasks t
          WHERE t.source = of_source AND t.collection = of_collection AND {REQUESTED}
            AND (of_status IS NULL OR t.status = of_status AND {ENDED})"""
IN_ORDER: Final = "ORDER BY t.created_at DESC, t.task DESC LIMIT 1"

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
  SELECT CASE WHEN moment < syncline.clock()
              THEN syncline.uuid7_floor(greatest(moment, timestamptz '1970-01-01 00:00:00Z') + interval '1 day')
              ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff' END
$$
""",
    "week_as_of(timestamptz)": """
CREATE FUNCTION syncline.week_as_of(moment timestamptz)
RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT syncline.uuid7_floor(greatest(moment, timestamptz '1970-01-08 00:00:00Z') - interval '7 days')
$$
""",
    f"newest_as_of(text, text, text, {TYPES})": f"""
CREATE FUNCTION syncline.newest_as_of(of_source text, of_collection text, of_status text, {AT})
RETURNS TABLE (task uuid, has_ended boolean, status text, created_at timestamptz, finished_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
-- The newest task that had been requested; with a status, the newest of those that had ended with it. Tasks are stored by weeks,
-- and each week has to be searched by itself, so the last one is searched first.
AS $$
  SELECT n.* FROM (
    SELECT * FROM (
      SELECT * FROM (
        (
          {NEWEST} AND t.task >= week
          {IN_ORDER}
        )
        UNION ALL
        (
          {NEWEST}
          {IN_ORDER}
        )
      ) AS by_week LIMIT 1
    ) AS ended
    UNION ALL
    SELECT t.task, false, t.status, t.created_at, NULL FROM syncline.collections t
    WHERE of_status IS NULL AND t.source = of_source AND t.collection = of_collection AND t.status IN ('SCHEDULED', 'RUNNING')
      AND t.created_at <= upto_at AND {came("1")}
  ) AS n
  ORDER BY n.task DESC LIMIT 1
$$
""",
    f"active_as_of(text, text, {TYPES})": f"""
CREATE FUNCTION syncline.active_as_of(of_source text, of_collection text, {AT})
RETURNS TABLE ({ROW})
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT f.* FROM syncline.newest_as_of(of_source, of_collection, NULL, {GIVEN}) AS n
  CROSS JOIN LATERAL syncline.folded(n.task, upto_at, upto_xid) AS f
  WHERE NOT n.has_ended
$$
""",
    f"tasks_as_of(text, text, {TYPES})": f"""
CREATE FUNCTION syncline.tasks_as_of(of_source text, of_collection text, {AT})
RETURNS TABLE ({ROW})
LANGUAGE plpgsql STABLE
-- Only with the conditions that there are, the index fits.
AS $$
BEGIN
  RETURN QUERY EXECUTE 'SELECT {COLUMNS}, NULL::timestamptz, NULL::uuid, NULL::boolean, t.finished_at, NULL::text, NULL::jsonb
    FROM syncline.tasks t
    WHERE t.finished_at <= $3 AND t.task < $6 AND t.created_at <= least($3, $5 + interval ''1 hour'')'
    || CASE WHEN of_source IS NULL THEN '' WHEN of_collection IS NULL THEN ' AND t.source = $1 AND t.version > 0'
            ELSE ' AND t.source = $1 AND t.collection = $2' END
    || CASE WHEN upto_xid = {EVERYTHING} THEN '' ELSE ' AND EXISTS (
         SELECT FROM syncline.events e WHERE e.task = t.task AND e.version = t.version AND e.xid <= $4
       )' END
    USING of_source, of_collection, upto_at, upto_xid, moment, below;
  RETURN QUERY SELECT a.* FROM syncline.collections k
    CROSS JOIN LATERAL syncline.active_as_of(k.source, k.collection, {GIVEN}) AS a
    WHERE (of_source IS NULL OR k.source = of_source) AND (of_collection IS NULL OR k.collection = of_collection);
END $$
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
    f"collections_as_of({TYPES})": f"""
CREATE FUNCTION syncline.collections_as_of({AT})
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
         CASE WHEN known.last THEN coalesce(f.status, n.status) END, CASE WHEN known.success THEN s.finished_at END,
         CASE WHEN known.failure THEN x.finished_at END,
         CASE WHEN known.success AND x.created_at IS NULL THEN 0 WHEN known.success THEN (
           SELECT count(*)::integer FROM syncline.tasks t
           WHERE t.source = k.source AND t.collection = k.collection AND t.status = 'FAILED' AND t.created_at <= x.created_at
             AND t.created_at >= coalesce(s.created_at, '-infinity') AND (s.task IS NULL OR t.task > s.task)
             AND t.task < below AND {ENDED}
         ) + coalesce((
           SELECT r.failures FROM syncline.retired_failures r
           WHERE r.source = k.source AND r.collection = k.collection AND r.success IS NOT DISTINCT FROM s.task
         ), 0)::integer END,
         CASE WHEN NOT n.has_ended THEN n.task END, CASE WHEN NOT n.has_ended THEN f.status END, p.since, p.until, p.who, p.note
  FROM syncline.collections k
  LEFT JOIN LATERAL syncline.newest_as_of(k.source, k.collection, NULL, {GIVEN}) AS n ON true
  LEFT JOIN LATERAL syncline.folded(n.task, upto_at, upto_xid) AS f ON NOT n.has_ended
  LEFT JOIN LATERAL (
    SELECT * FROM syncline.newest_as_of(k.source, k.collection, 'SUCCESS', {GIVEN}) WHERE k.last_success_at IS NOT NULL
  ) AS s ON true
  LEFT JOIN LATERAL (
    SELECT * FROM syncline.newest_as_of(k.source, k.collection, 'FAILED', {GIVEN}) WHERE k.last_failure_at IS NOT NULL
  ) AS x ON true
  CROSS JOIN LATERAL (
    SELECT r.horizon, r.horizon IS NULL OR s.finished_at >= r.horizon OR s.finished_at IS NOT DISTINCT FROM k.last_success_at AS success,
           r.horizon IS NULL OR x.finished_at >= r.horizon OR x.finished_at IS NOT DISTINCT FROM k.last_failure_at AS failure,
           r.horizon IS NULL OR NOT n.has_ended OR n.finished_at >= r.horizon OR n.task = k.task AS last
    FROM (SELECT (SELECT sealed_before::timestamp AT TIME ZONE 'UTC' FROM syncline.retention) AS horizon) AS r
  ) AS known
  LEFT JOIN LATERAL (
    SELECT q.* FROM (VALUES (k.collection), (NULL)) AS paused (collection)
    CROSS JOIN LATERAL syncline.pause_as_of(k.source, paused.collection, upto_at, upto_xid, moment) AS q
    WHERE EXISTS (SELECT FROM syncline.pauses r WHERE r.source = k.source AND r.collection = coalesce(paused.collection, ''))
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
  IF moment IS NULL OR NOT isfinite(moment) THEN
    RAISE EXCEPTION 'not a moment: %', moment USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF moment < first THEN
    RAISE EXCEPTION 'retention has removed tasks that had ended before %', first
      USING HINT = 'Ask for a time from then on.', ERRCODE = 'no_data_found';
  END IF;
  RETURN moment;
END $$
""",
}

# For reports, a time is enough. These are variables, for PostgreSQL would work out arguments again for each row.
MOMENT: Final = f"""
  upto_at timestamptz := syncline.refuse_gone(t);
  upto_xid xid8 := {EVERYTHING};
  moment timestamptz := t;
  below uuid := syncline.below_as_of(t);
  week uuid := syncline.week_as_of(t);
""".strip()
REPORTS: Final = {
    "tasks_as_of(timestamptz, text, text)": (
        f"""
CREATE FUNCTION reporting.tasks_as_of(t timestamptz, of_source text DEFAULT NULL, of_collection text DEFAULT NULL)
RETURNS TABLE (
  task_id text, task uuid, source text, collection text, source_type text, trigger text, fire_time timestamptz, status text,
  attempt smallint, failures smallint, max_attempts smallint, priority bigint, rows bigint, error text, created_at timestamptz,
  started_at timestamptz, finished_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  {MOMENT}
BEGIN
  RETURN QUERY
  SELECT a.source || '_' || a.collection || '_' || a.task, a.task, a.source, a.collection, a.source_type, a.trigger, a.fire_time,
         a.status, a.attempt, a.failures, a.max_attempts, a.priority, a.rows, a.error, a.created_at, a.started_at, a.finished_at
  FROM syncline.tasks_as_of(of_source, of_collection, {GIVEN}) AS a;
END $$
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
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  {MOMENT}
BEGIN
  RETURN QUERY
  SELECT a.source || '_' || a.collection || '_' || a.task, a.task, a.source, a.collection, a.status, a.priority, a.run_at,
         greatest(a.run_at - t, interval '0'), a.attempt, a.failures, a.max_attempts, a.cancel_requested, a.worker, w.host,
         a.changed_at, a.pool
  FROM syncline.collections k CROSS JOIN LATERAL syncline.active_as_of(k.source, k.collection, {GIVEN}) AS a
  LEFT JOIN syncline.workers w ON w.worker = a.worker;
END $$
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
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  {MOMENT}
BEGIN
  RETURN QUERY
  SELECT a.source, a.collection, a.source || '_' || a.collection || '_' || a.last_task, a.last_task, a.last_status,
         a.last_success_at, a.last_failure_at, a.consecutive_failures, a.active_task, a.active_status, a.paused_since,
         a.paused_until, a.paused_by, a.pause_note
  FROM syncline.collections_as_of({GIVEN}) AS a;
END $$
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
