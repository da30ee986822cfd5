"""What a response says about further pages, whichever paginator reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.connectors.sources.rest.addresses import describe_value
from app.connectors.sources.rest.answers import letters_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Names by their letters only: `has_more`, `hasMore`. Without tokens for later changes, as Google's `nextSyncToken`.
_MORE: Final = re.compile(
    r"has(more|next)(pages?|items|results|records|rows)?|more((pages|items|results|records|available)(incollection)?)?|"
    r"(is)?truncated"
)
_LAST: Final = re.compile(r"(is)?last(page)?")
_NEXT: Final = re.compile(
    r"(odata)?next(page)?(cursor|token|url|uri|link|href|offset|id|number|marker|key|start|index|recordsurl|"
    r"continuationtoken|cursormark)?|continu(e|ation)|(ms)?continuationtoken|lastevaluatedkey|resumptiontoken"
)
_SCROLL: Final = "scrollid"
"""Elasticsearch's: there is a next page until one is empty."""
_CONTENT_RANGE: Final = re.compile(r"(?!bytes)(\w+ )?\d+-(?P<last>\d+)/(?P<total>\d+)")
_HERE: Final = re.compile(r"(current)?page(number|index|no)?")
_PAGES: Final = re.compile(r"(total|num|numberof)?pages|(total|last)page|pagecount|pagetotal")
_TOTAL: Final = re.compile(r"total(count|results|items|records|elements|hits)?|count|itemcount|recordcount")
_SIZE: Final = re.compile(r"limit|(items|results|records)?perpage|pagesize|maxresults|pagelimit|returned")
# Not next to `total`, which may be a sum of money: there it counts what is on the page.
_COUNT: Final = re.compile(r"count|size")
_NEXT_LINK: Final = re.compile(r"""rel\s*=\s*["']?[^"',;]*\bnext\b""", re.IGNORECASE)
# Objects about pages; in others, such as `settings` or `user`, the same names mean something else.
_CONTAINERS: Final = re.compile(
    r"page|paging|pageinfo|pages|pagination|paginator|pager|pagecontext|cursors?|meta|metadata|links|response|"
    r"responsemetadata|result|resultinfo|resultset|info|listinfo|additionaldata"
)
_ANYWHERE: Final = "pageinfo"
"""GraphQL's, at any depth."""
# Elasticsearch does not return the size of a page, which is ten by default.
_HITS: Final = {"hits.total", "hits.total.value"}
# Neither sums of money nor sizes of a page.
_COUNTS_OF_ALL: Final = {f"total{each}" for each in ("count", "items", "results", "records", "elements")} | {
    "odatacount"
}
_PAGING: Final = re.compile(r"page|paging|pageinfo|pagination|paginator|pager|meta|metadata|resultinfo|listinfo")
# Siblings of the rows and their total, if that is not a sum.
_SIBLINGS_OF_ROWS: Final = re.compile(
    rf"{_HERE.pattern}|{_PAGES.pattern}|{_TOTAL.pattern}|{_SIZE.pattern}|size|offset|skip|start|startat|from|to|"
    r"success|ok|status|code|message|msg|errors?|next\w*|prev\w*|lastpage|requestid|timestamp"
)
_USUAL_SIZES: Final = 5  # usual page sizes are multiples of it
_DEEPEST: Final = 5


class _Field(NamedTuple):
    """A field outside lists; `siblings` are the names of its object's scalars, `numbers` the integers among them."""

    name: str
    path: str
    value: Any
    numbers: dict[str, int]
    siblings: frozenset[str]


def sign_of_more(
    document: Any, headers: Mapping[str, str], count: int, *, selector: str, counted: bool = True
) -> str | None:
    """The field, with its value, by which a response with `count` rows at `selector` says that more follow.

    Unless `counted`, only words, links and tokens are looked at, not numbers of rows or pages.
    """
    fields = list(_fields(document, selector))
    if any(map(_ends, fields)):
        return None
    signs = [field for field in fields if _goes_on(field) or (count and field.name == _SCROLL and field.value)]
    signs += [field for field in fields if counted and _counts_more(field, count)]
    found = [f"{field.path}: {describe_value(field.value)}" for field in signs]
    found += [
        f"{name}: {describe_value(value)}"
        for name, value in headers.items()
        if _header_goes_on(name, value) or (counted and _header_counts_more(name, value, count))
    ]
    return found[0] if found else None


def speaks_of_pages(name: str) -> bool:
    """Whether an object with this name is about pages, or is a link to the next, as `next` and `_links`."""
    letters = letters_of(name)
    return bool(_CONTAINERS.fullmatch(letters) or _NEXT.fullmatch(letters))


def _ends(field: _Field) -> bool:
    return bool(
        (_MORE.fullmatch(field.name) and field.value is False) or (_LAST.fullmatch(field.name) and field.value is True)
    )


def _goes_on(field: _Field) -> bool:
    name, value = field.name, field.value
    if _MORE.fullmatch(name) and str(value).lower() in {"true", "1"}:
        return True
    if isinstance(value, bool):
        return bool(_LAST.fullmatch(name)) if not value else bool(_MORE.fullmatch(name) or _NEXT.fullmatch(name))
    if name in {"cursor", "offset"}:  # a number is where this page begins
        return isinstance(value, str) and bool(value) and not value.isdecimal()
    if name in {"link", "links"} and isinstance(value, list):
        return any(map(_is_next_link, value))
    if not _NEXT.fullmatch(name):
        return False
    return any(value.values()) if isinstance(value, dict) else isinstance(value, str | int) and bool(value)


def _is_next_link(link: Any) -> bool:
    """One of a list of links, as in FHIR and HATEOAS."""
    if not isinstance(link, dict) or "next" not in (link.get("rel"), link.get("relation")):
        return False
    return any(link.get(name) for name in ("url", "href", "uri"))


def _counts_more(field: _Field, count: int) -> bool:
    name, value = field.name, field.value
    if type(value) is not int:
        return False
    if _PAGES.fullmatch(name):
        # The only page may have the number 0.
        here = {other for other in field.numbers if _HERE.fullmatch(other)}
        here |= {"number"} & field.numbers.keys() if name == "totalpages" else set()
        return value > 1 and any(field.numbers[other] < value for other in here)
    if field.path in _HITS or name in _COUNTS_OF_ALL or _is_count_of_all(field, count):
        return value > count > 0
    sizes = [_SIZE] if name == "total" else [_SIZE, _COUNT]
    is_full = any(
        number == count
        for other, number in field.numbers.items()
        if other != name and any(s.fullmatch(other) for s in sizes)
    )
    return bool(_TOTAL.fullmatch(name)) and is_full and value > count > 0


def _is_count_of_all(field: _Field, count: int) -> bool:
    """Whether a `count`, or a `total`, which may be a sum of money, counts the rows."""
    container = letters_of(field.path.rpartition(".")[0].rpartition(".")[2])
    if _PAGING.fullmatch(container) or (field.name == "count" and "." not in field.path):
        return field.name in {"count", "total"}
    looks_full = count % _USUAL_SIZES == 0
    return field.path == "total" and looks_full and all(map(_SIBLINGS_OF_ROWS.fullmatch, field.siblings))


def _header_goes_on(header: str, value: str) -> bool:
    name = letters_of(header).removeprefix("x")
    if name == "contentrange":
        part = _CONTENT_RANGE.fullmatch(value.strip())
        return part is not None and int(part["last"]) + 1 < int(part["total"])
    return bool(_NEXT_LINK.search(value)) if name == "link" else bool(value and _NEXT.fullmatch(name))


def _header_counts_more(header: str, value: str, count: int) -> bool:
    name = letters_of(header).removeprefix("x")
    if name not in {"totalcount", "totalpages", "pagecount", "wptotalpages", "total"} or not value.isdecimal():
        return False
    return int(value) > (count if name in {"totalcount", "total"} else 1) > 0


def _fields(
    document: Any, selector: str, path: str = "", depth: int = 1, *, about_pages: bool = True
) -> Iterator[_Field]:
    """The fields of `document`, at `path`, that are about pages, with those of objects on the way to the rows."""
    if not isinstance(document, dict) or depth > _DEEPEST:
        return
    numbers = {letters_of(name): value for name, value in document.items() if type(value) is int}
    siblings = frozenset(letters_of(name) for name, value in document.items() if not isinstance(value, dict | list))
    for name, value in document.items():
        letters, inner = letters_of(name), f"{path}{name}."
        if about_pages:
            yield _Field(letters, f"{path}{name}", value, numbers, siblings)
        inner_too = (
            bool(about_pages and _CONTAINERS.fullmatch(letters)) or letters == _ANYWHERE or selector.startswith(inner)
        )
        yield from _fields(
            value, selector, inner, depth + 1, about_pages=inner_too or (about_pages and inner == "hits.total.")
        )
