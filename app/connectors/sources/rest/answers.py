"""What a response with a good status may still say: that something went wrong, or that there are no rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jsonpath_ng import Child, Descendants, Fields

from app.connectors.sources.rest.addresses import describe_value
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

WHOLE: Final = "$"
"""The path where the whole response is the rows, or one row."""


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _prefixed(names: str) -> frozenset[str]:
    """Also as `responseStatus` and `result_msg`."""
    prefixes = ("", "response", "result", "return", "ret", "api", "operation")
    return frozenset(f"{prefix}{name}" for name in names.split() for prefix in prefixes)


# Names are compared by their letters only: `error_code`, `errorCode` and `Error-Code` are the same.
_ERRORS: Final = _names(
    "error errors err errormessage errormessages errormsg errmsg errordescription errordetail errordetails "
    "errortype errorcode errcode fault faultcode faultstring exception"
)
_ERROR_CODES: Final = _names("errorcode errcode")
_ERROR_WORDS: Final = _names("errormessage errormessages errormsg errmsg errordescription errordetail errordetails")
_SUCCESSES: Final = _names("ok success succeeded successful issuccess response")
# Without names that may also count successes.
_FLAGS: Final = _names("ok success issuccess")
_FAILURES: Final = _names("haserror haserrors iserror failed")
_CODES: Final = _ERROR_CODES | _prefixed("code") | _names("errno")
_STATES: Final = _prefixed("status code") | _names("stat result type statuscode httpstatus httpcode")
_ENVELOPES: Final = _names("meta metadata status header head")
_OUTCOMES: Final = _prefixed("status") | _names("stat result")
_WORDS: Final = _prefixed("message msg") | _names("messages detail statusmessage")
# Fields that come with an error and are not data themselves.
_SCALARS_BESIDE: Final = _names(
    "title instance path timestamp time requestid traceid correlationid logid trace help hint helplink moreinfo "
    "documentationurl docs statustext reason"
)
_OBJECTS_BESIDE: Final = _names("details extensions warnings links stack stacktrace")
_SCALARS: Final = (
    _ERRORS | _CODES | _FAILURES | _SUCCESSES | _STATES | _ENVELOPES | _WORDS | _SCALARS_BESIDE | _OBJECTS_BESIDE
)
_OBJECTS: Final = _ERRORS | _ENVELOPES | _WORDS | _OBJECTS_BESIDE
# Lists with these names, and lists in objects with these names, are not the rows.
_NO_ROWS: Final = _OBJECTS | _names("notices pagination paging params query filters")

_FAILED: Final = _names("error fail failed failure")
# By their letters, such as Google's OVER_QUERY_LIMIT.
_REFUSED: Final = re.compile(
    r"(over\w*|rate)limit(ed)?|\w*(denied|exceeded|exhausted|error)|(un|not)authori[sz]ed|unauthenticated|forbidden|"
    r"invalid\w*|n(ot)?ok|ko"
)
_HARMLESS: Final = re.compile(
    r"0*|200|none|null|no( errors?)?|false|(\w+[: ] ?)?ok(ay)?|.*(?<![\u4e0d\u672a])\u6210\u529f.*|"
    r"(?!.*\b(not|no|un\w+|fail\w*|errors?)\b)(.*\b)?(success|successful(ly)?|succeeded)"
)
# Words for no rows: `No transactions found`, but not `No API keys found`.
_NOTHING_FOUND: Final = re.compile(
    r"(?!.*\b(keys?|tokens?|credentials?|permissions?|access|accounts?|licen[cs]es?|auth\w*)\b)"
    r"((nothing|no|0) ?)?(\w+ ){0,2}(were |was |is |are )?(found|available|matched)|(no|0) (\w+ )?(data|\w+s)"
)
_NOT_FOUND: Final = re.compile(r".*\b(not|never|cannot|can't|un\w+)\b.*")
_SUBJECT: Final = (
    r"(api|access|auth\w*|tokens?|sessions?|keys?|signatures?|credentials?|licen[cs]es?|permissions?|passwords?|accounts?|"
    r"requests?|quer(y|ies)|parameters?|cursors?|servers?|services?|database)"
)
# Messages about the request instead of the rows: `Token has expired`, but not `You have no expired orders`.
_COMPLAINT: Final = re.compile(
    rf".*\b(rate limit\w*|throttl\w+|too many requests|(limit|quota) (was |has been |is )?reached|exceeded|forbidden|"
    rf"denied|unauthori[sz]ed|unauthenticated|not (allowed|authori[sz]ed|authenticated|permitted)|went wrong|"
    rf"unavailable|maintenance|timed out|timeout|try again|(internal|server|unexpected|unknown|an) error|"
    rf"error (occurred|while)|(could not|can ?not|can't|unable to|failed to)(?! (be )?f(ou|i)nd)|"
    rf"(invalid|expired|missing|bad|wrong) (\w+ )?{_SUBJECT}|"
    rf"{_SUBJECT} (\w+ ){{0,3}}(invalid|expired|missing|failed|required|revoked|disabled|suspended))\b.*"
)
_IDS: Final = _names("id uuid guid messageid")
_HTTP_ERRORS: Final = range(400, 600)


def describe_missing(path: Any, document: Any) -> str | None:
    """Why `path`, a compiled JSONPath, leads to no rows; None if it leads to some, or to an empty list."""
    found = [each.value for each in path.find(document)]
    if found:
        return "is null" if all(value is None for value in found) else None
    return "does not exist" if _leads_nowhere(path, document) else None


def _leads_nowhere(path: Any, document: Any) -> bool:
    """Whether a name in `path` is missing; `[*]` and filters may find nothing in a list."""
    if not isinstance(path, Child):
        return _is_name(path)
    parents = [each.value for each in path.left.find(document)]
    if not parents:
        return _leads_nowhere(path.left, document)
    return _is_name(path.right) or all(parent is None for parent in parents)


def _is_name(path: Any) -> bool:
    return isinstance(path, Descendants) or (isinstance(path, Fields) and "*" not in path.fields)


def outline(document: Any) -> str:
    """What the response holds, for a message that something else was expected."""
    if isinstance(document, dict):
        keys = jsontext.preview(", ".join(document))
        return f"the response has the keys {keys}" if document else "the response is empty"
    if document is None:
        return "the response is null"
    return "the response is a list" if isinstance(document, list) else "the response is a single value"


def rows_beside(document: Any, rows: Sequence[Any], *, selector: str) -> str | None:
    """The path of another list with elements, if the one read as rows looks like errors or messages."""
    if letters_of(selector.rpartition(".")[2]) not in _ERRORS | _WORDS | {"warnings"} or not isinstance(document, dict):
        return None
    if any(isinstance(row, dict) for row in rows):
        return None
    return next((path for path, found in _lists(document) if found and path != selector), None)


def _lists(document: dict[str, Any], path: str = "") -> Iterator[tuple[str, list[Any]]]:
    for name, value in document.items():
        if letters_of(name) in _NO_ROWS and not _have_identity(value):
            continue
        if isinstance(value, list):
            yield f"{path}{name}", value
        elif isinstance(value, dict):
            yield from _lists(value, f"{path}{name}.")


def error_in(
    document: Any, rows: Sequence[Any], *, selector: str, declared: bool, request_words: AbstractSet[str] = frozenset()
) -> str | None:
    """The error in a response that would otherwise become no rows, only some of them, or a row made of the error.

    What the user has `declared` to be the rows is no error, unless the response has nothing else. `request_words` are
    those of the request, in lower case: a response may repeat them.
    """
    if isinstance(document, list):
        return describe_value(document[0]) if len(document) == 1 and _is_listed_error(document[0]) else None
    if not isinstance(document, dict):
        return None
    fields = _error_fields(document, rows, selector, declared=declared, request_words=request_words)
    return describe_value(fields) if fields else None


def _error_fields(
    document: dict[str, Any], rows: Sequence[Any], selector: str, *, declared: bool, request_words: AbstractSet[str]
) -> dict[str, Any]:
    """The fields that report an error."""
    whole = selector == WHOLE
    if _is_graphql_error(document) and not whole and not selector.startswith("errors"):
        return {"errors": document["errors"]}
    if (declared and rows and not whole) or (not declared and letters_of(selector) in _ERRORS and _have_identity(rows)):
        return {}
    if _is_only_error(document) or (not declared and _is_only_words(document)):
        return document
    signs = {name: document[name] for name in _signs(document)}
    if not rows:
        signs |= {name: document[name] for name in (*_signs_beside_nothing(document), *_complaints(document))}
        repeated = not _words(document) and all(_repeats_request(name, document, request_words) for name in signs)
        return {} if repeated else signs
    # An object that is a row may have a field for errors.
    names: frozenset[str] = (
        frozenset() if declared or "id" in document else _SUCCESSES if whole else _SUCCESSES | _ERRORS
    )
    return {name: value for name, value in signs.items() if letters_of(name) in names}


def _repeats_request(name: str, document: dict[str, Any], request_words: AbstractSet[str]) -> bool:
    """Whether a state is what the request names: that of all in `/jobs?status=failed`, or of the one in `/jobs/5`."""
    state = document[name]
    if not isinstance(state, str) or letters_of(name) not in _STATES:
        return False
    return not request_words.isdisjoint({state.lower(), f"{state.lower()}s", str(document.get("id", state)).lower()})


def _have_identity(rows: Any) -> bool:
    """Whether they have ids, as the rows of an API for errors or messages do."""
    return isinstance(rows, list) and any(isinstance(row, dict) and has_id(row) for row in rows)


def has_id(row: dict[str, Any]) -> bool:
    return not _IDS.isdisjoint(map(letters_of, row))


def _is_graphql_error(document: dict[str, Any]) -> bool:
    """Data that GraphQL returns together with errors is incomplete."""
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
    signs = {*_signs(document), *_signs_beside_nothing(document)}
    is_clear = any(letters_of(name) not in _STATES for name in signs)
    if is_clear or (signs and (_words(document) or None in document.values())):
        return True
    codes = [value for name, value in filled.items() if letters_of(name) == "code"]
    return bool(codes) and not _is_good_code(codes[0]) and _has_error_words(document) and not _reports_success(document)


def _is_listed_error(element: Any) -> bool:
    """As Salesforce returns it; a log or catalogue of errors has other fields, or several rows."""
    return (
        _is_only_error(element) and bool(_words(element)) and any(letters_of(name) in _ERROR_CODES for name in element)
    )


def _is_only_words(document: dict[str, Any]) -> bool:
    """Such as `{"message": "Not Found"}`, perhaps with a link to the documentation."""
    names = set(map(letters_of, document))
    return bool(_words(document)) and names <= _WORDS | _SCALARS_BESIDE | _OBJECTS_BESIDE


def _is_no_data(name: str, value: Any) -> bool:
    if letters_of(name) in _WORDS and _have_identity(value):
        return False
    return letters_of(name) in (_OBJECTS if isinstance(value, dict | list) else _SCALARS)


def _words(document: dict[str, Any]) -> list[Any]:
    return [
        value
        for name, value in document.items()
        if letters_of(name) in _WORDS and value and not isinstance(value, dict) and not _have_identity(value)
    ]


def _has_error_words(document: dict[str, Any]) -> bool:
    """Whether there are messages, none of which says that all is well or that nothing was found."""
    messages = _words(document) + [
        value for name, value in document.items() if letters_of(name) in _ERROR_WORDS and value
    ]
    return bool(messages) and not any(_is_harmless(each) or _means_no_rows(each) for each in messages)


def _complaints(document: dict[str, Any]) -> Iterator[str]:
    """The names of messages that say that the request failed."""
    if not _reports_success(document):
        yield from (name for name, value in document.items() if letters_of(name) in _WORDS and _is_complaint(value))


def _is_complaint(words: Any) -> bool:
    if isinstance(words, list):
        return any(map(_is_complaint, words))
    text = " ".join(re.split(r"[\s_]+", words.strip().lower())) if isinstance(words, str) else ""
    return bool(_COMPLAINT.fullmatch(text)) and not _is_harmless(words) and not _means_no_rows(words)


def _means_no_rows(words: Any) -> bool:
    text = words.strip(" .!").lower() if isinstance(words, str) else ""
    return bool(_NOTHING_FOUND.fullmatch(text)) and not _NOT_FOUND.fullmatch(text)


def _signs(document: dict[str, Any]) -> Iterator[str]:
    """The names of fields that say that something went wrong."""
    is_well = _has_good_code(document)
    for name, value in document.items():
        letters = letters_of(name)
        if letters in _ERRORS:
            # A number of errors is data.
            bad = not _is_harmless(value) and not (letters == "errors" and type(value) is int)
            bad &= not (is_well and letters in _ERROR_WORDS)
        elif letters in _SUCCESSES:
            bad = value is False or (isinstance(value, str) and value.lower() == "false")
        else:
            bad = letters in _STATES and _is_bad_state(value)
        if bad or (letters in _ENVELOPES and isinstance(value, dict) and any(_signs(value))):
            yield name


def _signs_beside_nothing(document: dict[str, Any]) -> Iterator[str]:
    """The names of fields that are data in a row, and report an error where there are no rows."""
    has_words = _has_error_words(document)
    has_bad_code = any(
        letters_of(name) in _CODES and value is not None and not _is_good_code(value)
        for name, value in document.items()
    )
    is_well = _reports_success(document)
    is_count = any(letters_of(name).startswith("fail") and type(value) is int for name, value in document.items())
    for name, value in document.items():
        letters = letters_of(name)
        is_off = value is False or (type(value) is int and value == 0) or str(value).lower() in {"false", "0"}
        if (
            (letters in _FAILURES and (value is True or str(value).lower() == "true"))
            or (letters in _FLAGS and is_off and not is_count)
            or (letters == "status" and is_off and (has_words or has_bad_code))
            or (letters in _CODES and has_words and not is_well and _is_number(value) and not _is_good_code(value))
            or (letters in _OUTCOMES and isinstance(value, str) and bool(_REFUSED.fullmatch(letters_of(value))))
        ):
            yield name


def _reports_success(document: dict[str, Any]) -> bool:
    return any(
        letters_of(name) in _FLAGS | _OUTCOMES and str(value).lower() in {"true", "ok", "success"}
        for name, value in document.items()
    )


def _has_good_code(document: dict[str, Any]) -> bool:
    """Whether a code reports success: then error messages are messages of success."""
    return any(
        (letters_of(name) in _ERROR_CODES and _is_good_code(value))
        or (letters_of(name) in _CODES and value not in (None, "") and _is_good_code(value))
        or (letters_of(name) == "error" and value in (0, "0"))
        for name, value in document.items()
    )


def _is_good_code(value: Any) -> bool:
    return _is_harmless(value) or (_is_number(value) and 200 <= int(value) < 300)  # noqa: PLR2004 -- HTTP's


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and value.removeprefix("-").isdecimal())


def _is_bad_state(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in _FAILED or (value.isdecimal() and int(value) in _HTTP_ERRORS)
    return type(value) is int and value in _HTTP_ERRORS


def _is_harmless(value: Any) -> bool:
    """Whether a field for errors holds none: null, "none", {"code": "ok", "message": ""}."""
    if isinstance(value, dict):
        codes = [inner for name, inner in value.items() if letters_of(name) in {"code", "errorcode", "status"}]
        return all(map(_is_harmless, codes or value.values()))
    if isinstance(value, str):
        return bool(_HARMLESS.fullmatch(value.strip(" .!").lower()))
    return not value or value == 200  # noqa: PLR2004 -- HTTP's


def letters_of(name: str) -> str:
    """Only the letters of `name`, in lower case."""
    return re.sub("[^a-z]", "", name.lower())
