"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.redaction import mask_secrets


class State(StrEnum):
    """`WARN` is worth a look, `FAIL` means that something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about an installation in one line, and what to do about it in any number of lines.

    Secrets that show themselves in a text, such as the password of a URL, are masked.
    """

    name: str
    state: State
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", mask_secrets(self.text))
        object.__setattr__(self, "remedy", mask_secrets(self.remedy))


def ok(name: str, text: str, remedy: str = "") -> Finding:
    return Finding(name, State.OK, text, remedy)


def warn(name: str, text: str, remedy: str = "") -> Finding:
    return Finding(name, State.WARN, text, remedy)


def fail(name: str, text: str, remedy: str = "") -> Finding:
    return Finding(name, State.FAIL, text, remedy)
