"""The rules, pure: events, the task's life, schedules, priority, retry and errors; nothing here reads or writes."""
