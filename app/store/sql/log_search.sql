-- Looking for lines in the log of a task, which may have a million of them.

-- name: lines_before
-- The last lines of a task's log before (attempt $7, line $8), last line first: at most $9 of those of level $10 that have the
-- text $11, unless these are null, among the last $6; the text is looked for in what a page shows of a line: the program that
-- has written it, and the message without the prefix $13. Fewer are looked at if they are long: none after the one that exceeds $12 bytes. Each with how many were looked at, whether there may
-- be others before these, the place and time of the first one, and the place of the last one.
WITH next AS (
  SELECT *, row_number() OVER latest AS number, count(*) OVER () AS present,
         sum(octet_length(message)) OVER latest - octet_length(message) AS length_after
  FROM (
    SELECT attempt, line, at, level, message, system FROM (
      (
        SELECT attempt, line, at, level, message, system FROM syncline.log_events WHERE task = $1 AND {after_line} AND {before_line}
        ORDER BY attempt DESC, line DESC LIMIT $6
      )
      UNION ALL {lines_of_events}
    ) AS log
    WHERE {before_line}
    ORDER BY attempt DESC, line DESC LIMIT $6
  ) AS last
  WINDOW latest AS (ORDER BY attempt DESC, line DESC ROWS UNBOUNDED PRECEDING)
), looked_at AS MATERIALIZED (
  SELECT * FROM next WHERE length_after <= $12
), found AS (
  SELECT * FROM looked_at
  WHERE ($10::text IS NULL OR level = $10) AND (
    $11::text IS NULL
    OR position(lower($11) IN lower(
      coalesce(system || ' ', '') || CASE WHEN starts_with(message, $13) THEN substr(message, length($13) + 1) ELSE message END
    )) > 0
  )
  ORDER BY attempt DESC, line DESC LIMIT $9
)
SELECT f.attempt, f.line, f.at, f.level, f.message, f.system, l.number AS looked_at, l.number < l.present OR l.present = $6 AS more,
       l.attempt AS first_attempt, l.line AS first_line, l.at AS first_at, n.attempt AS last_attempt, n.line AS last_line
FROM (SELECT * FROM looked_at ORDER BY number DESC LIMIT 1) AS l
JOIN looked_at n ON n.number = 1
LEFT JOIN found f ON true
ORDER BY f.attempt DESC, f.line DESC
