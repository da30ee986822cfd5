"""Constraints of packages: which versions may be installed, and the hashes that their files must have.

The lines are those of pip's files: https://pip.pypa.io/en/stable/reference/requirements-file-format. Options other than
`--hash` are refused: what decides where packages come from is set for pip or uv.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from app.domain.lines import split_lines
from app.domain.redaction import mask_secrets
from app.domain.shortening import shortened
from app.domain.text_or import TextOr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_VERSION: Final = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[\w.*+!-]+"
_HASH: Final = r"--hash[= ]sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})"
_LINE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[\w., -]*\])?"
    rf"\s*(?P<pin>{_VERSION}(?:\s*,\s*{_VERSION})*|@\s*\S+)"
    r"(?:\s*;(?:(?!\s-).)*?)?"
    rf"(?P<hashes>(?:\s+{_HASH})*)",
    re.ASCII,
)
_EXACT: Final = re.compile(r"={2,3}[^,*]+|@.+")
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")
_LONGEST_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class _Constraint:
    """One line; `pin` is what follows the name: versions, or `@` and a URL."""

    name: str
    extras: str
    pin: str
    has_hash: bool

    @property
    def is_exact(self) -> bool:
        return _EXACT.fullmatch(self.pin) is not None

    def __str__(self) -> str:
        return mask_secrets(f"{self.name}{self.extras}{self.pin}")


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """The constraints in `text`, each in one line without comments, with the number of its first line, from 1."""
    begin, parts = 1, list[str]()
    for number, written in enumerate(split_lines(text), start=1):
        line = _COMMENT.sub("", written).strip()
        begin = begin if parts else number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            if joined := " ".join(filter(None, parts)):
                yield begin, joined
            parts = []
    if joined := " ".join(filter(None, parts)):
        yield begin, joined


def find_wrong_line(lines: Sequence[str]) -> tuple[int, str] | None:
    """The index of the first wrong line, and what is wrong with it; None if all are right."""
    constraints = list[_Constraint]()
    for index, line in enumerate(lines):
        try:
            constraints.append(_parse(line))
        except ValueError as error:
            return index, str(error)
    hashed = has_hashes(lines)
    for index, each in enumerate(constraints):
        if problem := _problem_with_hash(each) if hashed else _problem_without_hash(each):
            return index, problem
    return None


def has_hashes(lines: Iterable[str]) -> bool:
    """Whether only files with one of the hashes in `lines` may be installed."""
    return any("--hash" in line for line in lines)


def check_constraints(lines: Sequence[str], packages: Sequence[str]) -> None:
    """Raises ValueError if `lines` do not fit the `packages` that they are for: names, alone or with `==` or `@`."""
    if lines and not packages:
        raise ValueError("'constraints' is valid only where a package is installed")
    known = {(each.name, _normalize_pin(each.pin)) for each in map(_parse, lines)}
    for package in packages if has_hashes(lines) else ():
        name, pin = _split(package)
        if not any(name == other and pin in ("", found) for other, found in known):
            raise ValueError(
                f"'constraints' has hashes, but not for {mask_secrets(package)!r}: add the line of that version with "
                "its hashes"
            )


def normalize_name(name: str) -> str:
    """Equal for all spellings of a package's name, by PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _parse(line: str) -> _Constraint:
    if line.startswith("-"):
        option = re.split(r"[=\s]", line)[0]
        raise ValueError(f"option {option!r} is not allowed in constraints: set it for pip or uv on this machine")
    found = _LINE.fullmatch(line)
    if not found:
        shown = shortened(mask_secrets(line), _LONGEST_SHOWN)
        raise ValueError(f"{shown!r} is not a constraint: write name==1.2.3 or name==1.2.3 --hash=sha256:…")
    pin = re.sub(r"\s", "", found["pin"])
    return _Constraint(normalize_name(found["name"]), found["extras"] or "", pin, bool(found["hashes"]))


def _problem_with_hash(constraint: _Constraint) -> str | None:
    """What would make pip or uv refuse a line among those with hashes."""
    if not constraint.has_hash:
        return f"'{constraint}' has no hash, but other lines have one: give every package its hashes, or none"
    if not constraint.is_exact:
        return f"'{constraint}' has a hash, so it needs one version: write {constraint.name}==1.2.3"
    return None


def _problem_without_hash(constraint: _Constraint) -> str | None:
    if constraint.extras:
        return f"'{constraint}': pip takes no extras in constraints; leave out {constraint.extras}"
    return None


def _split(package: str) -> tuple[str, str]:
    """The normalized name and the pin of a package as `package` and `tap` write it."""
    name = re.split(r"[\[=@]", package)[0]
    pin = re.sub(r"^\[[^\]]*\]", "", package[len(name) :])
    return normalize_name(name), _normalize_pin(pin)


def _normalize_pin(pin: str) -> str:
    """Equal for versions that are (1.0 and 1.0.0)."""
    return pin if pin.startswith("@") else re.sub(r"(\.0)+$", "", pin)


def _parse_lines(value: Any) -> Any:
    """Lines as a list, or text with several lines. The path of a file was replaced when the catalogue was read."""
    if isinstance(value, tuple):
        return value
    lines: list[Any] = []
    if isinstance(value, str):
        lines = [line for _, line in lines_of(value)]
    elif isinstance(value, list):
        joined = (" ".join(line for _, line in lines_of(each)) if isinstance(each, str) else each for each in value)
        lines = [each for each in joined if each != ""]
    elif value is not None:
        raise PydanticCustomError("string_or_list", "must be a string or a list")
    # Whoever writes the key wants to be protected; its placeholder may be empty.
    if not lines:
        raise ValueError("has no constraints: write a path or a list of lines, or remove the key")
    return lines


def _check_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := find_wrong_line(lines):
        raise ValueError(wrong[1])
    return lines


Constraints = Annotated[tuple[str, ...], TextOr(_parse_lines), AfterValidator(_check_lines)]
"""Constraints, one a line. In a catalogue it may also be the path of a file, which is read there."""
