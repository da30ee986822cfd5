"""Everything that touches PostgreSQL: append, queue, schedules, leases, bookmarks and the reads over them."""
