"""Pure rules without I/O: events, the life of a task, schedules, priorities, retries and errors."""
