-- name: ensure_partitions
-- Creates missing partitions of events, log lines, tasks and fire times, up to the third week after this one.
SELECT syncline.ensure_partitions()
