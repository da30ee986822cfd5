"""What people say about a source or a collection for others: whose it is, what it is, and what to do if it fails."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from app.domain.keys import NOTHING, Section, Several

_LONGEST_OWNER: Final = 200
_MOST_LABELS: Final = 50
_LONGEST_LABEL: Final = 50
_LONGEST_DESCRIPTION: Final = 1000
_LONGEST_RUNBOOK: Final = 2000
_SPACES: Final = re.compile(r"\s+")


def _parse_text(value: Any) -> Any:
    """In one line, however YAML has folded it; None for `none`."""
    if not isinstance(value, str):
        return value
    return None if value == NOTHING else _SPACES.sub(" ", value).strip()


def _check_printable(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise ValueError("must not have characters that cannot be seen")
    return text


def _check_label(label: str) -> str:
    if label != label.strip() or not label.isprintable():
        raise ValueError("a label must not begin or end with a space, nor have characters that cannot be seen")
    return label


def _check_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"must be at most {_MOST_LABELS} labels, not {len(labels)}")
    return labels


def _check_runbook(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web or not url.isprintable() or " " in url:
        raise ValueError("must be a URL that begins with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not have a user or a password: everybody who looks at the pages can read it")
    return url


Owner = Annotated[
    Annotated[str, Field(max_length=_LONGEST_OWNER)] | None,
    BeforeValidator(_parse_text),
    AfterValidator(_check_printable),
]
Label = Annotated[str, Field(min_length=1, max_length=_LONGEST_LABEL), AfterValidator(_check_label)]
Labels = Annotated[tuple[Label, ...], Several, AfterValidator(_check_labels)]
Description = Annotated[
    Annotated[str, Field(max_length=_LONGEST_DESCRIPTION)] | None,
    BeforeValidator(_parse_text),
    AfterValidator(_check_printable),
]
Runbook = Annotated[
    Annotated[str, Field(max_length=_LONGEST_RUNBOOK)] | None,
    BeforeValidator(_parse_text),
    AfterValidator(_check_runbook),
]


class About(Section):
    """Keys that do not affect what is loaded, so a configuration's digest leaves them out."""

    owner: Owner = None
    labels: Labels = ()
    description: Description = None
    runbook: Runbook = None


ABOUT: Final = frozenset(About.model_fields)
