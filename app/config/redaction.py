"""Secrets out of texts: events are kept for ever, so a log line is redacted before it becomes one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.domain.secret_values import SHORTEST_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REDACTED = "***"


class Redactor:
    """Replaces every secret that it was made with by `***`.

    It knows a secret also as JSON and URLs write it, and each line of a secret of several lines (a PEM key), because
    logs come line by line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET}
        # The longest first: a secret that begins with another one is replaced whole.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def redact(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text


def _forms(secret: str) -> Iterator[str]:
    for text in (secret, *_lines(secret)):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield quote(text, safe="")


def _lines(secret: str) -> list[str]:
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if line and not line.startswith("-----")] if len(lines) > 1 else []
