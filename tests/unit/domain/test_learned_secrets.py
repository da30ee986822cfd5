"""Secrets that become known one after another are replaced, at little cost for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import learned_secrets
from app.domain.learned_secrets import LearnedSecrets
from app.domain.redaction import Redactor

if TYPE_CHECKING:
    import pytest


def test_all_are_replaced_also_one_that_begins_with_another() -> None:
    secrets = LearnedSecrets()
    assert secrets.redact("hunter22") == "hunter22"
    for secret in ("hunter22", "hunter22-of-today", "hunter2"):
        secrets.learn(secret)
    assert secrets.redact("hunter22, hunter22-of-today and hunter2") == "***, *** and ***"


def test_the_last_few_are_kept_and_one_that_is_learned_again_is_new() -> None:
    secrets = LearnedSecrets(kept=2)
    for secret in ("first-secret", "second-secret", "first-secret", "third-secret"):
        secrets.learn(secret)
    assert secrets.redact("first-secret second-secret third-secret") == "*** second-secret ***"


def test_a_redactor_is_made_once_for_each_and_a_thousand_are_no_deeper_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[list[str]] = []

    class Counted(Redactor):
        def __init__(self, secrets: list[str]) -> None:
            made.append(secrets)
            super().__init__(secrets)

    monkeypatch.setattr(learned_secrets, "Redactor", Counted)
    secrets = LearnedSecrets()
    numbers = [f"s{number:05}" for number in range(1100)]
    for secret in [*numbers, "s00000"]:
        secrets.learn(secret)
        secrets.redact(secret)
    assert made == [[secret] for secret in numbers]
    assert secrets.redact("s00000 s01099") == "*** ***"
