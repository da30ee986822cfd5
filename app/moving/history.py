"""Jitsu Classic's last tasks, with their logs, as JSON lines.

They do not become events: an event is a fact that this store has witnessed, at a time and a position that its database
has given it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.values import jsontext
from app.domain.redaction import redact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def history_text(tasks: Iterable[dict[str, Any]], redact: Callable[[str], str]) -> str:
    """A line for each task, without secrets; always in the same order."""
    ordered = sorted(tasks, key=lambda task: [str(task.get(key, "")) for key in ("created_at", "id")])
    return "".join(f"{jsontext.encode(redact_json(each, redact))}\n" for each in ordered)
