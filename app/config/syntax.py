"""Why a text is not YAML, in plain words: the line of the cause, and what to write instead.

A parser names the point at which it could not go on, often lines after the mistake. Nothing here quotes the text: a
line may hold a password.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from app.domain.visible import name_character

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# YAML 1.2.2, 5.1: what a YAML stream may not hold.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_COLON_WITHOUT_SPACE = re.compile(r"\s*(?:- +)*[\w.-]+:[^\s/]")
_COLON = re.compile(r":\s")
_BRACKETS = {"{": "}", "[": "]"}
_QUOTE = "put the value in quotes"
_TAB = "a tab is used for indentation; use spaces"
_SPACE_AFTER_COLON = "a space is missing after the colon; write key: value"


class Cause(NamedTuple):
    """What is wrong on the `line`, counted from 1."""

    line: int
    message: str


def find_forbidden_character(text: str) -> Cause | None:
    """The first character that no YAML may hold."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    line = len(_LINE_BREAK.findall(text, 0, found.start())) + 1
    return Cause(line, f"the character {name_character(found[0])} is not allowed; remove it")


def explain(text: str, error: yaml.MarkedYAMLError) -> Cause:
    """The cause of a syntax error, or the parser's own words if the cause is unusual."""
    failure = _Failure(text, error)
    for problem, cause in _CAUSES:
        if problem in failure.words:
            return cause(failure)
    return Cause(failure.line, failure.words)


class _Failure:
    """Where a parser could not go on, and where what it was reading had begun; lines are counted from 1."""

    def __init__(self, text: str, error: yaml.MarkedYAMLError) -> None:
        mark: Any = error.problem_mark or error.context_mark
        begin: Any = error.context_mark or mark
        self.words = " ".join(part for part in (error.context, error.problem) if part)
        self.line, self.column, self.offset = mark.line + 1, mark.column, mark.index
        self.first_line, self.first_column = begin.line + 1, begin.column
        self._text = text
        self._lines = _LINE_BREAK.split(text)

    def line_text(self, line: int) -> str:
        return self._lines[line - 1] if 0 < line <= len(self._lines) else ""

    def character(self) -> str:
        return self.line_text(self.line)[self.column : self.column + 1]

    def at_end(self) -> bool:
        return not self._text[self.offset :].strip()

    def first_character(self) -> str:
        return self.line_text(self.first_line)[self.first_column : self.first_column + 1]

    def line_above(self) -> int:
        """The nearest line above that is not empty or a comment; 0 if there is none."""
        lines = range(self.line - 1, 0, -1)
        return next((line for line in lines if self.line_text(line).partition("#")[0].strip()), 0)

    def quoted_before(self) -> yaml.ScalarToken | None:
        """The value in quotes that ends right before the failure."""
        tokens: Iterator[Any] = yaml.scan(self._text, Loader=yaml.CSafeLoader)
        before = deque(takewhile(lambda token: token.start_mark.index < self.offset, tokens), maxlen=1)
        last = before.pop() if before else None
        return last if isinstance(last, yaml.ScalarToken) and last.style in ("'", '"') else None


def _bad_first_character(failure: _Failure) -> Cause:
    if failure.character() == "\t":
        return Cause(failure.line, _TAB)
    return Cause(failure.line, f"a value cannot begin with '{failure.character()}'; {_QUOTE}")


def _tab(failure: _Failure) -> Cause:
    return Cause(failure.line, _TAB)


def _bad_indicator(failure: _Failure) -> Cause:
    return Cause(failure.first_line, f"a value cannot begin with '{failure.first_character()}'; {_QUOTE}")


def _directive(failure: _Failure) -> Cause:
    return Cause(failure.line, "a line cannot begin with '%'; indent it, and put the value in quotes")


def _unclosed_quote(failure: _Failure) -> Cause:
    return Cause(failure.first_line, f"the quote {failure.first_character()} that opens on this line is never closed")


def _escape(failure: _Failure) -> Cause:
    return Cause(failure.line, "unknown escape after '\\' in double quotes; write '\\\\', or use single quotes")


def _unexpected_colon(failure: _Failure) -> Cause:
    before = failure.line_text(failure.line)[: failure.column]
    above = failure.line_above()
    if _COLON.search(before):
        return Cause(failure.line, f"a value cannot contain ': '; {_QUOTE}, or begin a mapping on the next line")
    if _COLON_WITHOUT_SPACE.match(failure.line_text(above)):
        return Cause(above, _SPACE_AFTER_COLON)
    return Cause(failure.line, f"a key cannot stand here, below the value on line {above}; check the indentation")


def _missing_colon(failure: _Failure) -> Cause:
    if _COLON_WITHOUT_SPACE.match(failure.line_text(failure.first_line)):
        return Cause(failure.first_line, _SPACE_AFTER_COLON)
    return Cause(failure.first_line, "there is no colon on this line; write key: value")


def _unclosed_bracket(failure: _Failure) -> Cause:
    opening = failure.first_character()
    closing = _BRACKETS.get(opening, "")
    if "${" in failure.line_text(failure.line)[: failure.column + 1]:
        return Cause(failure.line, f"a placeholder between '{opening}' and '{closing}' must be in quotes: '${{…}}'")
    if failure.at_end():
        return Cause(failure.first_line, f"the '{opening}' on this line is never closed; add '{closing}'")
    where = "" if failure.line == failure.first_line else f" before line {failure.line}"
    return Cause(failure.first_line, f"'{opening}' is not closed by '{closing}', or a comma is missing{where}")


def _unexpected_key(failure: _Failure) -> Cause:
    quoted = failure.quoted_before()
    if quoted:
        first, last = quoted.start_mark.line + 1, quoted.end_mark.line + 1
        if first < last:
            return Cause(
                first,
                f"the quote {quoted.style} that opens on this line is closed only on line {last}; is one missing?",
            )
        return Cause(failure.line, "there is text after a closing quote; put the whole value in quotes")
    if failure.character() in ("]", "}"):
        return Cause(failure.line, f"'{failure.character()}' closes nothing; remove it, or {_QUOTE}")
    above = failure.line_above()
    if _COLON_WITHOUT_SPACE.match(failure.line_text(above)):
        return Cause(above, _SPACE_AFTER_COLON)
    return Cause(failure.line, "the indentation is wrong: keys of one mapping must begin in the same column")


def _not_an_item(failure: _Failure) -> Cause:
    return Cause(
        failure.line, f"this is not an item of the list that begins on line {failure.first_line}; write '- ' first"
    )


def _misplaced_dash(failure: _Failure) -> Cause:
    return Cause(failure.line, f"'-' cannot stand here; begin each item of a list on a line of its own, or {_QUOTE}")


def _block_text(failure: _Failure) -> Cause:
    return Cause(failure.line, f"a text after '|' or '>' begins on the next line; if it is meant as a value, {_QUOTE}")


_CAUSES: tuple[tuple[str, Callable[[_Failure], Cause]], ...] = (
    ("cannot start any token", _bad_first_character),
    ("did not find expected node content", _bad_first_character),
    ("tab character", _tab),
    ("scanning an alias", _bad_indicator),
    ("scanning an anchor", _bad_indicator),
    ("scanning a tag", _bad_indicator),
    ("scanning a directive", _directive),
    ("incompatible YAML document", _directive),
    ("scanning a quoted scalar", _unclosed_quote),
    ("unknown escape character", _escape),
    ("mapping values are not allowed", _unexpected_colon),
    ("could not find expected ':'", _missing_colon),
    ("did not find expected ',' or", _unclosed_bracket),
    ("did not find expected key", _unexpected_key),
    ("did not find expected '-' indicator", _not_an_item),
    ("block sequence entries are not allowed", _misplaced_dash),
    ("scanning a block scalar", _block_text),
)
"""By what the parser says (libyaml's texts are fixed); the first that fits."""
