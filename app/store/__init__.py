"""Everything that talks to PostgreSQL: events, queue, schedules, leases, bookmarks, projections and reads."""
