-- name: pin_session
-- Settings that can only be mended knowing the server's own: a commit waits for the disk at least, a standby that it is to
-- wait for stays; and a setting that servers before PostgreSQL 17 do not have.
SELECT set_config(name, needed, false)
FROM (VALUES ('synchronous_commit', 'on', current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')),
             ('transaction_timeout', '0', current_setting('transaction_timeout', true) <> '0'))
  AS s (name, needed, differs)
WHERE differs

-- name: session
-- What a session is set to, and whose it is, as SQL writes their names.
SELECT quote_ident(session_user) AS login, quote_ident(current_database()) AS database,
       current_setting('default_transaction_isolation') AS default_transaction_isolation,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('statement_timeout') AS statement_timeout,
       current_setting('lock_timeout') AS lock_timeout,
       current_setting('transaction_timeout', true) AS transaction_timeout
