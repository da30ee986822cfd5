"""One wording for a name that must be one of several: which ones there are, and which is nearest."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def unknown_key(name: str, valid: Iterable[str]) -> str:
    """For the key `name`, which is not one of `valid`."""
    return f"unknown key; {choose_one(name, sorted(valid), none='no keys can be set here')}"


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> str:
    """For `name`, which is not a `kind` (a source type, a destination) of `valid`; they are listed in their order."""
    return f"unknown {kind} '{name}'; {choose_one(str(name), [*valid], none=f'no {kind} is defined')}"


def choose_one(name: str, valid: Sequence[str], *, none: str = "there is nothing to choose from") -> str:
    """What to write instead of `name`: one of `valid`, in their order; `none` if there are none."""
    if not valid:
        return none
    near = nearest(name, valid)
    if len(valid) == 1:
        return f"did you mean '{near}'?" if near else f"the only one is '{valid[0]}'"
    hint = f"did you mean '{near}'? " if near else ""
    return f"{hint}choose one of {', '.join(valid)}"


def nearest(name: str, valid: Sequence[str]) -> str | None:
    """That of `valid` which `name` is probably a misspelling of."""
    # In lower case, so that 'Postgres' is near 'postgres'.
    return next(iter(difflib.get_close_matches(name.strip().lower(), valid, n=1)), None)
