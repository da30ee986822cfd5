"""Which level a line of a program tells.

Programs have many formats. Known are those of Python's `logging` as taps set it up (singer-python, PipelineWise, the
Singer SDK, Airflow), of loguru, structlog, log4j, logrus, zap and pino, of pip and uv, tracebacks, and JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.domain.flood import is_report

if TYPE_CHECKING:
    from app.domain.attempt_protocol import Level

UNTOLD: Final[Level] = "debug"
"""The level of a line that tells none."""

_LEVELS: Final[dict[str, Level]] = {
    **dict.fromkeys(("trace", "debug", "fine", "verbose"), "debug"),
    **dict.fromkeys(("info", "information", "notice"), "info"),
    **dict.fromkeys(("warn", "warning"), "warn"),
    **dict.fromkeys(("error", "err", "critical", "fatal", "severe", "alert", "emergency", "panic", "dpanic"), "error"),
}
# Of pino and bunyan: https://getpino.io/#/docs/api?id=logger-level
_NUMBERS: Final[dict[int, Level]] = {10: "debug", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "error"}
_KEYS: Final = ("level", "levelname", "severity", "log.level", "log_level", "loglevel", "lvl")

_NAMES: Final = "|".join(sorted(_LEVELS, key=len, reverse=True))
_CLOCK: Final = r"\d\d?:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[AP]M|[+-]\d\d:?\d\d))?"
_TIME: Final = rf"[\[(]?(?:\d{{4}}[-/]\d\d[-/]\d\d(?:[T ]{_CLOCK})?|{_CLOCK})[\])]?"
# The name of a logger, a process or a file.
_WHO: Final = r"[^\s|]{1,80}"
_NEXT: Final = r"(?: \| | - |: | )"
_APART: Final = r"(?: \| | - |: )"
# A level in capitals is one at the beginning, or after a time and at most two names; after names alone if something
# separates them. Then sentences with such a word in them tell none.
_CAPITALS: Final = re.compile(
    rf"(?:{_TIME}{_NEXT}(?:{_WHO}{_NEXT}){{0,2}}?|(?:{_WHO}{_APART}){{1,2}}?)?"
    rf"[\[(<]? ?(?P<name>{_NAMES.upper()})(?=[ \])>|:,-]|$)"
)
# In small letters it stands between marks, or before a colon.
_MARKED: Final = re.compile(
    rf"(?:{_TIME}{_NEXT})?"
    rf"(?:\[ ?(?P<bracketed>{_NAMES}) ?\]|(?P<barred>{_NAMES}) ?\||(?P<named>{_NAMES})(?=: ))",
    re.IGNORECASE,
)
# Fields such as `time=2024-05-01 10:00:00 name=tap_x level=INFO message=…`; what follows the message is the program's.
_FIELDS: Final = re.compile(rf"(?:{_TIME}{_NEXT})?[\w.@-]+=")
_FIELD: Final = re.compile(
    rf"(?<![\w.@-])(?:msg|message|event|(?:level|levelname|severity|lvl)=[\"']?(?P<name>{_NAMES})\b)", re.IGNORECASE
)
# As Python's `warnings` writes it to standard error.
_PYTHON_WARNING: Final = re.compile(r"\S.*:\d+: (?:\w+\.)*\w*Warning: ")
_EXCEPTION: Final = re.compile(
    r"(?:Exception in thread .*? )?(?:[A-Za-z_][\w$]*\.)*[A-Za-z_][\w$]*(?:Error|Exception)(?::|$)"
)
_TRACEBACK: Final = re.compile(r"[\s+|-]*(?:Exception Group )?Traceback \(most recent call last\):$")
# Python between the tracebacks of exceptions that belong together.
_BELONGS: Final = re.compile(
    r"(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):$"
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
# A level stands at the beginning, however long the line is.
_LOOKED_AT: Final = 300

_decode = msgspec.json.Decoder().decode


class LevelReader:
    """Reads the levels of the lines of one output in their order: those of a traceback belong together."""

    def __init__(self) -> None:
        self._in_frames = False
        self._in_message = False

    def level(self, line: str) -> Level:
        """The level that `line` tells, `error` within a traceback up to and with its message, otherwise `debug`.

        What a message has after its first line ends with an empty line, or with one that tells its own level.
        """
        text = _COLOUR.sub("", line).rstrip()
        if _TRACEBACK.match(text):
            self._in_frames, self._in_message = True, False
            return "error"
        is_indented = text[:1].isspace()
        if self._in_frames and is_indented:
            return "error"
        told = told_level(text)
        if told is None and (self._in_frames or _BELONGS.match(text)):
            self._in_frames, self._in_message = False, True
            return "error"
        self._in_frames = False
        self._in_message = self._in_message and told is None and bool(text)
        return "error" if self._in_message else told or UNTOLD


def told_level(line: str) -> Level | None:
    """The level that a line without colours tells by itself; None if it tells none."""
    if line.lstrip().startswith("{"):
        return _level_in_json(line)
    if is_report(line):
        return "warn"
    beginning = " ".join(line[:_LOOKED_AT].split())
    if found := _CAPITALS.match(beginning) or _MARKED.match(beginning):
        return _LEVELS[next(filter(None, found.groups())).lower()]
    if _FIELDS.match(beginning) and (found := _FIELD.search(beginning)) and found["name"]:
        return _LEVELS[found["name"].lower()]
    if _PYTHON_WARNING.match(beginning):
        return "warn"
    return "error" if _EXCEPTION.match(beginning) else None


def _level_in_json(line: str) -> Level | None:
    try:
        found = _decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    # The second are messages of the Airbyte protocol, and ECS.
    for fields in (found, found.get("log")):
        if isinstance(fields, dict):
            for key in _KEYS:
                if (level := _level_of(fields.get(key))) is not None:
                    return level
    return None


def _level_of(value: Any) -> Level | None:
    match value:
        case str():
            return _LEVELS.get(value.strip().lower())
        case int():
            return _NUMBERS.get(value)
        case _:
            return None
