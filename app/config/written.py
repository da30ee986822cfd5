"""Numbers that remember how they were written: `007` is a number in YAML, but text where it is an id.

A key that wants text gets the text, as `str()` returns it; one that wants a number gets the number.
"""

from __future__ import annotations

from typing import Any, Self, TypeVar

from pydantic import BaseModel, SecretStr

from app.domain.secret_names import is_secret_name

Number = TypeVar("Number", int, float)


class _Written:
    written: str

    @classmethod
    def of(cls, number: Number, written: str) -> Self:
        made = cls(number)  # type: ignore[call-arg] # of the other base
        made.written = written
        return made

    def __str__(self) -> str:
        return self.written


class WrittenInt(_Written, int):
    """Such as 0012345."""


class WrittenFloat(_Written, float):
    """Such as 1.10 and 1e3."""


def as_written(number: float, written: str) -> float:
    """`number`, which remembers `written` if that cannot be told from it."""
    if repr(number) == written:
        return number
    return WrittenInt.of(number, written) if isinstance(number, int) else WrittenFloat.of(number, written)


def with_plain_numbers(value: Any, read: Any, *, secret: bool = False) -> Any:
    """A copy of `value` in which numbers no longer remember, for an attempt; `read` is what a model made of it.

    They become text where the model has text. Where it takes anything, zeros at the beginning and the name of a secret
    tell that text is meant.
    """
    if isinstance(value, dict):
        return {
            key: with_plain_numbers(inner, part_of(read, key), secret=is_secret_name(str(key)))
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [with_plain_numbers(inner, part_of(read, index), secret=secret) for index, inner in enumerate(value)]
    if not isinstance(value, WrittenInt | WrittenFloat):
        return value
    is_number = type(read) in (int, float)
    is_text = isinstance(read, str | SecretStr) or (not is_number and (secret or _begins_with_zeros(value.written)))
    if is_text:
        return value.written
    return int(value) if isinstance(value, int) else float(value)


def _begins_with_zeros(written: str) -> bool:
    digits = written.lstrip("+-")
    return digits.startswith("0") and digits[1:2].isdigit()


def part_of(read: Any, key: str | int) -> Any:
    """What a model made of the value at `key`; None if it has it elsewhere."""
    if isinstance(read, BaseModel):
        names = {field.alias or name: name for name, field in type(read).model_fields.items()}
        return getattr(read, names.get(str(key), str(key)), None)
    if isinstance(read, dict):
        return read.get(key)
    in_list = isinstance(read, list | tuple) and isinstance(key, int) and key < len(read)
    return read[key] if in_list else None
