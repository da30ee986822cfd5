"""What an answer with a good status says all the same: that something went wrong, or that it has no rows at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jsonpath_ng import Child, Descendants, Fields

from app.connectors import jsontext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

WHOLE: Final = "$"
"""The path of an answer that is the rows, or one row."""


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Names are compared by their letters alone: `error_code`, `errorCode` and `Error-Code` are one.
_ERRORS: Final = _names(
    "error errors err errormessage errormessages errormsg errmsg errordescription errordetail errordetails "
    "errortype errorcode errcode fault faultcode faultstring exception"
)
_ERROR_CODES: Final = _names("errorcode errcode")
_SUCCESSES: Final = _names("ok success succeeded successful issuccess response")
_STATES: Final = _names("status stat result code type statuscode httpstatus httpcode")
_ENVELOPES: Final = _names("meta metadata status header head")
_WORDS: Final = _names("message messages msg detail")
# What comes with an error and is not data by itself.
_SCALARS_BESIDE: Final = _names(
    "title instance path timestamp time requestid traceid correlationid logid trace help hint helplink moreinfo "
    "documentationurl docs statustext reason"
)
_OBJECTS_BESIDE: Final = _names("details extensions warnings links stack stacktrace")
_SCALARS: Final = _ERRORS | _SUCCESSES | _STATES | _ENVELOPES | _WORDS | _SCALARS_BESIDE | _OBJECTS_BESIDE
_OBJECTS: Final = _ERRORS | _ENVELOPES | _WORDS | _OBJECTS_BESIDE

_FAILED: Final = _names("error fail failed failure")
_HARMLESS: Final = _names("0 200 ok success successful none null no false") | {"", "no error"}
_HTTP_ERRORS: Final = range(400, 600)


def missing(path: Any, document: Any) -> str | None:
    """What is wrong where `path`, a compiled JSONPath, leads to no rows; nothing is wrong with a list that is empty."""
    found = [each.value for each in path.find(document)]
    if found:
        return "is null" if all(value is None for value in found) else None
    return "is not there" if _leads_nowhere(path, document) else None


def _leads_nowhere(path: Any, document: Any) -> bool:
    """Whether a name is not found, where `[*]` and filters find nothing in lists without such elements."""
    if not isinstance(path, Child):
        return _is_name(path)
    parents = [each.value for each in path.left.find(document)]
    if not parents:
        return _leads_nowhere(path.left, document)
    return _is_name(path.right) or all(parent is None for parent in parents)


def _is_name(path: Any) -> bool:
    return isinstance(path, Descendants) or (isinstance(path, Fields) and "*" not in path.fields)


def outline(document: Any) -> str:
    """What an answer has instead of what was looked for."""
    if isinstance(document, dict):
        return f"the answer has the keys {jsontext.shown(', '.join(document))}" if document else "the answer is empty"
    if document is None:
        return "the answer is null"
    return "the answer is a list" if isinstance(document, list) else "the answer is a single value"


def error_in(
    document: Any, rows: Sequence[Any], *, selector: str, declared: bool, asked: AbstractSet[str] = frozenset()
) -> str | None:
    """The error of an answer that would otherwise become no rows, a part of them, or a row made of the error.

    What the user has `declared` to be the rows is no error, unless the answer has nothing else. `asked` are the words
    of the request, in lower case: an answer may repeat them.
    """
    if isinstance(document, list):
        return jsontext.shown(document[0]) if len(document) == 1 and _is_listed_error(document[0]) else None
    told = _told(document, rows, selector, declared=declared, asked=asked) if isinstance(document, dict) else {}
    return jsontext.shown(told) if told else None


def _told(
    document: dict[str, Any], rows: Sequence[Any], selector: str, *, declared: bool, asked: AbstractSet[str]
) -> dict[str, Any]:
    """The fields that tell of an error."""
    whole = selector == WHOLE
    if _is_graphql_error(document) and not whole and not selector.startswith("errors"):
        return {"errors": document["errors"]}
    if (declared and rows and not whole) or (not declared and plain(selector) in _ERRORS and _have_identity(rows)):
        return {}
    if _is_only_error(document) or (not declared and _is_only_words(document)):
        return document
    signs = {name: document[name] for name in _signs(document)}
    if not rows:
        repeated = not _words(document) and all(_is_asked(name, document, asked) for name in signs)
        return {} if repeated else signs
    # An object that is a row may well have a field for an error.
    said: frozenset[str] = (
        frozenset() if declared or "id" in document else _SUCCESSES if whole else _SUCCESSES | _ERRORS
    )
    return {name: value for name, value in signs.items() if plain(name) in said}


def _is_asked(name: str, document: dict[str, Any], asked: AbstractSet[str]) -> bool:
    """Whether a state is that of what the request names: of all in `/jobs?status=failed`, of the one in `/jobs/5`."""
    state = document[name]
    if not isinstance(state, str) or plain(name) not in _STATES:
        return False
    return not asked.isdisjoint({state.lower(), f"{state.lower()}s", str(document.get("id", state)).lower()})


def _have_identity(rows: Sequence[Any]) -> bool:
    """As the rows of an API of errors have."""
    return any(isinstance(row, dict) and "id" in row for row in rows)


def _is_graphql_error(document: dict[str, Any]) -> bool:
    """What GraphQL has read beside an error is a part only."""
    errors = document.get("errors")
    if "data" not in document or not isinstance(errors, list) or not errors:
        return False
    return all(isinstance(error, dict) and "message" in error for error in errors)


def _is_only_error(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    filled = {name: value for name, value in document.items() if value not in (None, [], {}, "")}
    if not all(map(_is_no_data, filled, filled.values())):
        return False
    told = any(plain(name) not in _STATES for name in _signs(document))
    if told or (any(_signs(document)) and (_words(document) or None in document.values())):
        return True
    # A list that is there, if only an empty one, may be what `{"code": 1, "message": "found"}` is about.
    codes = [value for name, value in filled.items() if plain(name) == "code"]
    lists = any(isinstance(value, list) for value in document.values())
    return (
        not lists and bool(codes) and not _is_harmless(codes[0]) and any(not _is_harmless(w) for w in _words(document))
    )


def _is_listed_error(element: Any) -> bool:
    """As Salesforce has it; a log or a catalogue of errors has something else in its rows, or more than one."""
    return _is_only_error(element) and bool(_words(element)) and any(plain(name) in _ERROR_CODES for name in element)


def _is_only_words(document: dict[str, Any]) -> bool:
    """`{"message": "Not Found"}`, with a link to the documentation perhaps."""
    names = set(map(plain, document))
    return bool(_words(document)) and names <= _WORDS | _SCALARS_BESIDE | _OBJECTS_BESIDE


def _is_no_data(name: str, value: Any) -> bool:
    return plain(name) in (_OBJECTS if isinstance(value, dict | list) else _SCALARS)


def _words(document: dict[str, Any]) -> list[Any]:
    return [
        value for name, value in document.items() if plain(name) in _WORDS and value and not isinstance(value, dict)
    ]


def _signs(document: dict[str, Any]) -> Iterator[str]:
    """The names of fields that say that something went wrong."""
    for name, value in document.items():
        letters = plain(name)
        if letters in _ERRORS:
            # A number of errors is a figure, as any other.
            bad = not _is_harmless(value) and not (letters == "errors" and type(value) is int)
        elif letters in _SUCCESSES:
            bad = value is False or (isinstance(value, str) and value.lower() == "false")
        else:
            bad = letters in _STATES and _is_bad_state(value)
        if bad or (letters in _ENVELOPES and isinstance(value, dict) and any(_signs(value))):
            yield name


def _is_bad_state(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in _FAILED or (value.isdecimal() and int(value) in _HTTP_ERRORS)
    return type(value) is int and value in _HTTP_ERRORS


def _is_harmless(value: Any) -> bool:
    """Whether a field that is there for an error holds none: null, "none", {"code": "ok", "message": ""}."""
    if isinstance(value, dict):
        codes = [inner for name, inner in value.items() if plain(name) in {"code", "errorcode", "status"}]
        return all(map(_is_harmless, codes or value.values()))
    if isinstance(value, str):
        return value.strip().lower() in _HARMLESS
    return not value or value == 200  # noqa: PLR2004 -- HTTP's


def plain(name: str) -> str:
    """The letters of a name, in lower case."""
    return re.sub("[^a-z]", "", name.lower())
