-- name: ensure_partitions
-- Partitions of events, log lines and fire times, where they are missing, to the third week after this one.
SELECT syncline.ensure_partitions()
