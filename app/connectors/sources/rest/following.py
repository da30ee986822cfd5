"""What an answer says of pages that follow, whoever is to read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.connectors import jsontext
from app.connectors.sources.rest.answers import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Of names by their letters alone: `has_more`, `hasMore`. A token of what will have changed later, such as Google's
# `nextSyncToken`, is not among them.
_MORE: Final = re.compile(
    r"has(more|next)(pages?|items|results|records)?|more(pages|items|results|available)?|(is)?truncated"
)
_LAST: Final = re.compile(r"(is)?last(page)?")
_NEXT: Final = re.compile(
    r"(odata)?next(page)?(cursor|token|url|uri|link|href|offset|id|number|marker|key|start|index|recordsurl|"
    r"continuationtoken)?|continu(e|ation)|(ms)?continuationtoken"
)
_HERE: Final = re.compile(r"(current)?page(number|index|no)?")
_PAGES: Final = re.compile(r"(total|num|numberof)?pages|(total|last)page|pagecount|pagetotal")
_TOTAL: Final = re.compile(r"total(count|results|items|records|elements|hits)?|count|itemcount|recordcount")
_SIZE: Final = re.compile(r"limit|(items|results|records)?perpage|pagesize|maxresults|pagelimit|returned")
# Beside `total` alone, which may be one of money, it counts what is there.
_COUNT: Final = re.compile(r"count|size")
_NEXT_LINK: Final = re.compile(r"""rel\s*=\s*["']?[^"',;]*\bnext\b""", re.IGNORECASE)
_DEEPEST: Final = 5


class _Field(NamedTuple):
    """A field that is in no list; `numbers` are those beside it, by their plain names."""

    name: str
    path: str
    value: Any
    numbers: dict[str, int]


def more_in(document: Any, headers: Mapping[str, str], count: int) -> str | None:
    """The field by which an answer of `count` rows says that more follow, with its value."""
    fields = list(_fields(document))
    if any(map(_ends, fields)):
        return None
    told = [f"{field.path}: {jsontext.shown(field.value)}" for field in fields if _goes_on(field, count)]
    told += [
        f"{name}: {jsontext.shown(value)}" for name, value in headers.items() if _header_goes_on(name, value, count)
    ]
    return told[0] if told else None


def _ends(field: _Field) -> bool:
    return bool(
        (_MORE.fullmatch(field.name) and field.value is False) or (_LAST.fullmatch(field.name) and field.value is True)
    )


def _goes_on(field: _Field, count: int) -> bool:
    name, value = field.name, field.value
    if isinstance(value, bool):
        return bool(_LAST.fullmatch(name)) if not value else bool(_MORE.fullmatch(name) or _NEXT.fullmatch(name))
    if name in {"cursor", "offset"}:  # a number is where this page begins
        return isinstance(value, str) and bool(value) and not value.isdecimal()
    if _NEXT.fullmatch(name):
        return any(value.values()) if isinstance(value, dict) else isinstance(value, str | int) and bool(value)
    if not isinstance(value, int):
        return False
    if _PAGES.fullmatch(name):
        return any(number < value for other, number in field.numbers.items() if _HERE.fullmatch(other))
    sizes = [_SIZE] if name == "total" else [_SIZE, _COUNT]
    is_full = any(
        number == count
        for other, number in field.numbers.items()
        if other != name and any(s.fullmatch(other) for s in sizes)
    )
    return bool(_TOTAL.fullmatch(name)) and is_full and value > count > 0


def _header_goes_on(header: str, value: str, count: int) -> bool:
    name = plain(header).removeprefix("x")
    if name == "link":
        return bool(_NEXT_LINK.search(value))
    if name in {"totalcount", "totalpages", "pagecount", "wptotalpages"}:
        return value.isdecimal() and int(value) > (count if name == "totalcount" else 1) > 0
    return bool(value and _NEXT.fullmatch(name))


def _fields(document: Any, path: str = "", depth: int = 1) -> Iterator[_Field]:
    if not isinstance(document, dict) or depth > _DEEPEST:
        return
    numbers = {plain(name): value for name, value in document.items() if type(value) is int}
    for name, value in document.items():
        yield _Field(plain(name), f"{path}{name}", value, numbers)
        yield from _fields(value, f"{path}{name}.", depth + 1)
