-- name: pin_session
-- Settings whose right value depends on the current one. A commit waits at least for the disk; if it is to wait for a
-- standby, that stays. `transaction_timeout` does not exist before PostgreSQL 17. A right value is set too: otherwise a
-- later change of the server's configuration would reach the open session.
SELECT set_config(name, needed, false)
FROM (VALUES ('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END),
             ('transaction_timeout', '0'))
  AS s (name, needed)
WHERE current_setting(name, true) IS NOT NULL

-- name: session
-- The settings of a session, and its login and database as quoted identifiers.
SELECT quote_ident(session_user) AS login, quote_ident(current_database()) AS database,
       current_setting('default_transaction_isolation') AS default_transaction_isolation,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('statement_timeout') AS statement_timeout,
       current_setting('lock_timeout') AS lock_timeout,
       current_setting('transaction_timeout', true) AS transaction_timeout
