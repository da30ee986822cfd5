"""`syncline token`, as people type it."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg

from app.domain.api_token import TOKEN_FORMAT


def syncline(url: str, *arguments: str | bytes) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url}
    environment.pop("DATABASE_DIRECT_URL", None)
    command = [sys.executable, "-m", "app.cli", "token", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_token_is_made_listed_and_revoked(database_url: str) -> None:
    made = syncline(database_url, "create", "--scope", "run", "--name", "the büro's", "--expires", "90d")
    token = made.stdout.removesuffix("\n")
    found = TOKEN_FORMAT.fullmatch(token)
    assert found, made
    assert f"'syncline token revoke {found[1]}'" in made.stderr
    assert token not in made.stderr
    for state in ("valid", "revoked"):
        listed = syncline(database_url, "list")
        head, row = listed.stdout.splitlines()
        assert head.split() == ["ID", "SCOPE", "STATE", "CREATED", "LAST", "USED", "EXPIRES", "NAME"]
        assert row.split()[:3] == [found[1], "run", state]
        assert row.endswith("the büro's")
        assert token[-64:] not in listed.stdout
        # The second time as somebody pastes it in a hurry: the whole token, which is not shown again.
        revoked = syncline(database_url, "revoke", found[1] if state == "valid" else token)
        assert (revoked.returncode, revoked.stdout) == (0, f"{found[1]} is revoked.\n")


def test_what_cannot_be_done_is_one_clear_line(database_url: str) -> None:
    unknown = syncline(database_url, "revoke", "0123456789abcdef")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "syncline: unknown token 0123456789abcdef; 'syncline token list' shows all IDs\n",
    )
    for wrong in ("nobody", b"\xff"):
        refused = syncline(database_url, "revoke", wrong)
        assert refused.returncode == 2
        assert "Invalid value for 'ID': expected 16 hexadecimal digits" in refused.stderr
        assert "Traceback" not in refused.stderr
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE syncline.api_tokens")
    old = syncline(database_url, "list")
    assert (old.returncode, old.stderr) == (
        2,
        "syncline: the database schema has no tokens yet: run 'syncline migrate'\n",
    )
