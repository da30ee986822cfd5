"""What a path leads to instead of rows, and responses that come before their rows."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from app.connectors.sources.rest.addresses import describe_value
from app.connectors.sources.rest.answers import letters_of
from app.connectors.sources.rest.paths import first_value, is_of_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

_KINDS: Final = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
_STATES: Final = re.compile(r"(job|task|query|operation|request|response)?(status|state)")
# Of a job that has no result yet.
_PENDING: Final = re.compile(
    r"processing|pending|(in)?progress|queued|enqueued|submitted|accepted|preparing|waiting|generating|notready"
)
# Also what a thing may be that has been there all the time.
_BUSY: Final = re.compile(rf"{_PENDING.pattern}|running|started|notstarted|scheduled|working|building|executing")
# All that a response about a job has; not an id, which an object that is a row may have.
_ABOUT_A_JOB: Final = re.compile(
    r"(job|task|query|operation|execution|request|statement|export|report)+(id|handle|token|reference)?|progress|"
    r"percent(age|complete)?|message|msg|detail|code|ok|success|eta|retryafter|(created|submitted|started|updated)at|"
    r"timestamp|time|location|href|links?|self|(status)?(url|uri)|(queue)?position|kind"
)


def describe_scalar(path: Any, document: Any) -> str | None:
    """What `path` leads to if that is a single value; None if it is rows, an object that is a row, or nothing."""
    value = first_value(path, document) if is_of_names(path) else None
    if value is None or isinstance(value, dict | list):
        return None
    return f"is {_kind_of(value)} instead of rows, {describe_value(value)}"


def describe_mixture(rows: Sequence[Any]) -> str | None:
    """Why `rows` are not all rows of one table: nulls, or other values among objects."""
    kinds = set(map(type, rows))
    if type(None) not in kinds and (dict not in kinds or len(kinds) == 1):
        return None
    number, row = next(
        each for each in enumerate(rows, 1) if each[1] is None or (dict in kinds and type(each[1]) is not dict)
    )
    return f"{len(rows)} rows, of which row {number} is {_kind_of(row)}"


def describe_wait(
    document: Any, rows: Sequence[Any], status: int, *, declared: bool, request_words: AbstractSet[str]
) -> str | None:
    """By what a response says that its rows do not exist yet; None if it does not, or the rows were `declared`."""
    if not isinstance(document, dict) or (rows and (declared or rows[0] is not document)):
        return None
    if status == HTTPStatus.ACCEPTED:
        return describe_value(document)
    states = {name: value for name, value in document.items() if _STATES.fullmatch(letters_of(name))}
    if not request_words.isdisjoint(str(value).lower() for value in states.values()):
        return None
    others = document.keys() - states.keys()
    is_only = bool(rows) and all(_ABOUT_A_JOB.fullmatch(letters_of(name)) for name in others)
    if rows and not is_only:
        return None
    words = _BUSY if is_only else _PENDING
    found = {name: value for name, value in states.items() if words.fullmatch(letters_of(str(value)))}
    return describe_value(document if is_only else found) if found else None


def _kind_of(value: Any) -> str:
    return _KINDS.get(type(value), "a number")
