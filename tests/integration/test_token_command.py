"""`syncline token`, as people type it."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg

from app.domain.api_token import WRITTEN


def syncline(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url}
    environment.pop("DATABASE_DIRECT_URL", None)
    command = [sys.executable, "-m", "app.cli", "token", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_token_is_made_listed_and_revoked(database_url: str) -> None:
    made = syncline(database_url, "create", "--scope", "run", "--name", "the büro's", "--expires", "90d")
    token = made.stdout.removesuffix("\n")
    found = WRITTEN.fullmatch(token)
    assert found, made
    assert f"'syncline token revoke {found[1]}' ends it" in made.stderr
    assert token not in made.stderr
    for state in ("valid", "revoked"):
        listed = syncline(database_url, "list")
        head, row = listed.stdout.splitlines()
        assert head.split() == ["ID", "SCOPE", "STATE", "CREATED", "LAST", "USED", "EXPIRES", "NAME"]
        assert row.split()[:3] == [found[1], "run", state]
        assert row.endswith("the büro's")
        assert token[-64:] not in listed.stdout
        revoked = syncline(database_url, "revoke", found[1])
        assert (revoked.returncode, revoked.stdout) == (0, f"{found[1]} is revoked.\n")


def test_what_cannot_be_done_is_one_clear_line(database_url: str) -> None:
    unknown = syncline(database_url, "revoke", "nobody")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "syncline: there is no token nobody: 'syncline token list' shows their ids\n",
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE syncline.api_tokens")
    old = syncline(database_url, "list")
    assert (old.returncode, old.stderr) == (
        2,
        "syncline: the database's schema knows no tokens yet: run `syncline migrate`\n",
    )
