"""Removes secrets that become known one after another, such as passwords that a program prints."""

from __future__ import annotations

import threading
from itertools import islice

from app.domain.redaction import Redactor


class LearnedSecrets:
    """Replaces the last `kept` secrets (None: all) with `***`. Any thread may use it.

    Each has a redactor of its own, because one for many tokens takes seconds to make.
    """

    def __init__(self, *, kept: int | None = None) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._newest_first: dict[str, Redactor] = {}
        self._longest_first: list[Redactor] = []

    def learn(self, secret: str) -> None:
        """Replace `secret` from now on."""
        with self._lock:
            known = self._newest_first
            newest = {secret: known.get(secret) or Redactor([secret])} | known
            self._newest_first = dict(islice(newest.items(), self._kept))
            # One that begins with another is replaced whole. A new list, because other threads go through the old one.
            self._longest_first = [self._newest_first[each] for each in sorted(self._newest_first, key=len)[::-1]]

    def redact(self, text: str) -> str:
        """`text` without the secrets."""
        for redactor in self._longest_first:
            text = redactor.redact(text)
        return text
