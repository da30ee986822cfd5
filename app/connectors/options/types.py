"""What the options of all kinds are made of."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Options(BaseModel):
    """Options of one kind: unknown keys are refused, values do not change, defaults are validated like any value."""

    # An attempt needs two or three of all these models.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, validate_default=True)

    def examined(self) -> str | None:
        """What is wrong beyond the model; may take seconds, and the connector itself finds it as well."""
        return None

    def refused_collection(self, name: str) -> str | None:  # noqa: ARG002 -- most cannot tell without the network
        """Why a collection of this type cannot be; None if it can, or nobody knows yet."""
        return None


class NoParameters(Options):
    """A collection that has none: what it takes stands with its source."""


def check_one_address(options: Options, *parts: str) -> None:
    """Raises ValueError unless there is either a `url` or, in `parts`, of which the host is the first."""
    values = options.model_dump(include={"url", *parts}, exclude_unset=True, exclude_none=True)
    given = [key for key in parts if key in values]
    if "url" in values and given:
        raise ValueError(f"'url' already says it: remove {', '.join(map(repr, given))}")
    host, *others = parts
    if not {"url", host} & values.keys():
        raise ValueError(f"'url' or {host!r} (with {', '.join(others)}) is needed")


PINNED: Final = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w., -]+\])?==[\w.!+-]+|[A-Za-z0-9][\w.-]*@\S+\.(whl|tar\.gz|zip)")


def _words(value: Any) -> Any:
    """Requirements, separated by spaces or as a list; spaces around `==` and `@` do not matter."""
    if isinstance(value, list):
        return [_joined(each) if isinstance(each, str) else each for each in value]
    return _joined(value).split() if isinstance(value, str) else value


def _joined(text: str) -> str:
    return re.sub(r"\s*(==|@)\s*", r"\1", text)


def _all_pinned(package: tuple[str, ...]) -> tuple[str, ...]:
    for requirement in package:
        if not PINNED.fullmatch(requirement):
            raise ValueError(f"{requirement!r} is not pinned: write name==version, e.g. tap-name==1.2.3")
    return package


Pinned = Annotated[tuple[str, ...], BeforeValidator(_words), Field(min_length=1), AfterValidator(_all_pinned)]
"""Packages with their versions, the first of which brings the command."""

Document = dict[str, Any] | str
"""An object, its JSON text, or the path of a file that holds it."""
