"""An attempt masks each password that one of its programs prints, however many there are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from app.domain.attempt_protocol import SecretLearned
from app.execution.attempt import Attempt
from app.execution.task_log import TaskLog


async def test_an_attempt_masks_more_passwords_than_calls_can_be_nested() -> None:
    nothing: Any = None
    log = TaskLog(nothing, uuid4(), lambda _claim: None)
    context: Any = SimpleNamespace(log=log, watcher=SimpleNamespace(current=SimpleNamespace(secrets=frozenset)))
    claim: Any = SimpleNamespace(task_id="task", cancel_requested=False)
    attempt = Attempt(context, claim)
    for number in range(1200):
        await attempt._reports.take(SecretLearned(f"s{number:05}"))
    assert attempt._log.clean("s00000 became s01199") == "*** became ***"
