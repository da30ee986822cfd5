"""Events have positions, which go on when the store moves to a server with lower transaction ids

Events are ordered by the transaction id that each carries. A server that was filled by `pg_restore` or by logical
replication begins with lower ids than the events have: they would seem to come from the future. So the order is now by
`(incarnation, transaction id)`, in the same columns: incarnation * 2^48 + transaction id. `syncline migrate` raises the
incarnation when the stored positions are above those of the server. In incarnation 0 a position is the transaction id, as
releases before have it, so they can run beside this one.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Bodies are written as expressions, which are bound to their operators now, whatever the search_path of a caller is. The
# planner replaces the calls by them, so that nothing is left of them in incarnation 0. `incarnation` must be STABLE: as
# IMMUTABLE its value would be put into cached plans, which would then outlive a new incarnation.
FUNCTIONS = """
CREATE FUNCTION syncline.incarnation() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN 0::bigint;
COMMENT ON FUNCTION syncline.incarnation() IS
  'How often the store has moved to a server with lower transaction ids. syncline migrate replaces it.';

CREATE FUNCTION syncline.position(xid xid8) RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE syncline.incarnation() WHEN 0 THEN xid
            ELSE ((syncline.incarnation() << 48) + xid::text::bigint)::text::xid8 END;
COMMENT ON FUNCTION syncline.position(xid8) IS 'The position of a transaction of this server in the order of all events.';

CREATE FUNCTION syncline.position() RETURNS xid8 LANGUAGE sql STABLE PARALLEL UNSAFE
RETURN syncline.position(pg_current_xact_id());
COMMENT ON FUNCTION syncline.position() IS 'The position of the current transaction.';

-- Positions of the next incarnation are above all that are stored, also above those of an incarnation that only the store
-- knows: logical replication copies rows, not functions. Nothing is done while positions are above the stored ones.
CREATE FUNCTION syncline.enter_incarnation() RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stored xid8;
BEGIN
  SELECT greatest((SELECT xid FROM syncline.events ORDER BY xid DESC LIMIT 1), (SELECT max(xid) FROM syncline.checkpoints))
  INTO stored;
  IF stored >= syncline.position(pg_snapshot_xmax(pg_current_snapshot())) THEN
    EXECUTE format('CREATE OR REPLACE FUNCTION syncline.incarnation() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE '
                   'RETURN %s::bigint', div(stored::text::numeric, 281474976710656)::bigint + 1);
  END IF;
  RETURN syncline.incarnation();
END $$;
COMMENT ON FUNCTION syncline.enter_incarnation() IS 'Raises the incarnation if the store has moved; called by syncline migrate.';

ALTER TABLE syncline.events ALTER COLUMN xid SET DEFAULT syncline.position();
"""

RIGHTS = """
DO $$
DECLARE
  routine regprocedure;
BEGIN
  REVOKE ALL ON FUNCTION syncline.incarnation(), syncline.position(xid8), syncline.position(), syncline.enter_incarnation()
    FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT EXECUTE ON FUNCTION syncline.incarnation(), syncline.position(xid8), syncline.position() TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    FOREACH routine IN ARRAY ARRAY['syncline.incarnation()', 'syncline.position(xid8)', 'syncline.position()',
                                   'syncline.enter_incarnation()'] LOOP
      EXECUTE format('ALTER FUNCTION %s OWNER TO syncline_owner', routine);
    END LOOP;
  END IF;
END $$;
"""

# Releases before order events by the server's own transaction ids.
STAYS = """
DO $$ BEGIN
  IF syncline.incarnation() > 0 THEN
    RAISE EXCEPTION 'the store has moved to a server with lower transaction ids: releases before 0.2.0 cannot use it'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(FUNCTIONS)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(STAYS)
    op.execute("ALTER TABLE syncline.events ALTER COLUMN xid SET DEFAULT pg_current_xact_id()")
    op.execute(
        "DROP FUNCTION syncline.enter_incarnation(), syncline.position(), syncline.position(xid8), syncline.incarnation()"
    )
