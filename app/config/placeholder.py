"""One placeholder: where its value may come from, and the type that it wants."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from app.config.documents import parse_json
from app.domain.typed_text import TextType, typed

PLACEHOLDER: Final = re.compile(r"\$\{(?P<alternatives>(?:env|file)\.[^}]*)(?P<end>\}?)")
FORM: Final = "write ${env.NAME} or ${env.NAME|default}"

Type = TextType | Literal["json"]

_ALTERNATIVE: Final = re.compile(r"(?P<kind>env|file(?=\./))\.(?P<name>[^|]*)(?P<bar>\|?)(?P<rest>.*)", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES: Final[dict[str, Type]] = {name: name for name in (*typing.get_args(TextType), "json")}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`alternatives` are the names of variables (`env`) and paths of files (`file`), in the order to try them.

    `default` is None if there is none. With a `type` the placeholder stands for a value, otherwise for text.
    """

    alternatives: tuple[tuple[str, str], ...]
    default: str | None
    type: Type | None

    @classmethod
    def parse(cls, found: re.Match[str], *, whole: bool) -> Self:
        """A match of `PLACEHOLDER`, which is the whole value or a part of it.

        Raises:
            ValueError: what is wrong with how it is written.
        """
        if not found["end"]:
            raise ValueError(f"a placeholder has no closing brace; {FORM}")
        alternatives: list[tuple[str, str]] = []
        types: set[Type] = set()
        rest: str | None = found["alternatives"]
        if rest is not None and rest.startswith("file.") and not rest.startswith("file./"):
            raise ValueError("a placeholder has a relative file path; write ${file./path/to/file}")
        while rest is not None and (alternative := _ALTERNATIVE.fullmatch(rest)):
            name, type_ = _split(alternative["kind"], alternative["name"])
            alternatives.append((alternative["kind"], name))
            types |= {type_} if type_ else set()
            rest = alternative["rest"] if alternative["bar"] else None
        type_ = next(iter(types), None)
        if type_ is not None and not whole:
            raise ValueError(f"a placeholder with a type, such as ':{type_}', must be the whole value")
        if len(types) > 1:
            raise ValueError(f"a placeholder has several types ({', '.join(sorted(types))}); write one")
        return cls(tuple(alternatives), rest, type_)

    def convert(self, text: str, origin: str) -> Any:
        """The value that `text` stands for; `origin` says where it comes from.

        Raises:
            ValueError: it stands for none of this type. The message does not quote it, as it may be secret.
        """
        if self.type is None:
            return text
        try:
            return parse_json(text) if self.type == "json" else typed(text, self.type)
        except (ValueError, RecursionError) as error:
            wanted = "valid JSON" if self.type == "json" else error
            raise ValueError(f"{origin} must be {wanted}, as the placeholder has the type ':{self.type}'") from None


def _split(kind: str, name: str) -> tuple[str, Type | None]:
    """The name without its type, and the type; a path may have a colon of its own."""
    bare, colon, type_ = name.rpartition(":") if kind == "file" else name.partition(":")
    if kind == "file":
        return (bare, _TYPES[type_]) if colon and type_ in _TYPES else (name, None)
    if not _NAME.fullmatch(bare):
        raise ValueError(f"a placeholder's variable name is not valid; {FORM}")
    if colon and type_ not in _TYPES:
        types = ", ".join(f"':{each}'" for each in _TYPES)
        raise ValueError(f"a placeholder's type must be one of {types}; for a default, write ${{env.NAME|default}}")
    return bare, _TYPES[type_] if colon else None
