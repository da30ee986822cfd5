"""Building blocks for the options of all kinds."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, Strict
from pydantic_core import PydanticCustomError

from app.domain.connector import Connector
from app.domain.redaction import mask_secrets
from app.domain.text_or import TextOr

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from app.connectors.options.complaints import KeyProblem


class Options(BaseModel):
    """Options of one kind: unknown keys are refused, values are frozen, defaults are validated like any value.

    A number is also text, because to YAML a password of digits is a number.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        # Built on first use: an attempt needs only two or three of these models.
        defer_build=True,
        validate_default=True,
    )

    _from_files: bool = PrivateAttr(default=False)

    @property
    def from_files(self) -> bool:
        """Whether some of the values come from files, which are read again for each attempt."""
        return self._from_files

    def taken_from_files(self) -> Self:
        """These options, which then say so."""
        self._from_files = True
        return self

    def find_problems(self) -> Iterable[KeyProblem]:
        """What is wrong beyond the model; may take seconds. The connector itself checks it again."""
        return ()

    def home(self) -> Hashable | None:
        """What is equal for two destinations with the same tables; None if that cannot be told from options."""
        return None

    def collection_problem(self, name: str) -> str | None:  # noqa: ARG002 -- most kinds would need the network
        """Why a collection of this type cannot exist; None if it can, or if that is not known yet."""
        return None


class NoParameters(Options):
    """For collections without parameters: everything is configured at the source."""


def check_one_address(options: Options, *parts: str) -> None:
    """Raises ValueError unless there is either a `url` or its `parts`, of which the first is the host."""
    values = options.model_dump(include={"url", *parts}, exclude_unset=True, exclude_none=True)
    present = [key for key in parts if key in values]
    if "url" in values and present:
        raise ValueError(f"'url' cannot be combined with {', '.join(map(repr, present))}: use one or the other")
    host, *others = parts
    if not {"url", host} & values.keys():
        raise ValueError(f"set 'url', or {host!r} (with {', '.join(others)})")


def matching(pattern: str, form: str) -> AfterValidator:
    """For a string that matches `pattern` as a whole; `form` says in plain words what to write."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not valid; write {form}")
        return value

    return AfterValidator(check)


PINNED: Final = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w., -]+\])?==[\w.!+-]+|[A-Za-z0-9][\w.-]*@\S+\.(whl|tar\.gz|zip)")


def _parse_requirements(value: Any) -> Any:
    """Requirements, separated by spaces or as a list; spaces around `==` and `@` are ignored."""
    if isinstance(value, list):
        return [_join_pin(each) if isinstance(each, str) else each for each in value]
    if value is None or isinstance(value, tuple):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_or_list", "must be a string or a list")
    return _join_pin(value).split()


def _join_pin(text: str) -> str:
    return re.sub(r"\s*(==|@)\s*", r"\1", text)


def _check_pinned(package: tuple[str, ...]) -> tuple[str, ...]:
    for requirement in package:
        if not PINNED.fullmatch(requirement):
            shown = mask_secrets(requirement)
            raise ValueError(f"{shown!r} is not pinned: write name==version, such as tap-name==1.2.3")
    return package


Pinned = Annotated[tuple[str, ...], TextOr(_parse_requirements), Field(min_length=1), AfterValidator(_check_pinned)]
"""Packages with their versions; the first one provides the command."""


def _check_quotes(command: Any) -> Any:
    if isinstance(command, str):
        try:
            shlex.split(command)
        except ValueError as error:
            raise ValueError(
                f"{command!r} is not a command line: {str(error).lower()}; it may also be a list"
            ) from None
    return command


_PACKAGE: Final = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?(?:==(?P<version>.+)|@(?P<url>.+))?")


def connector_in(package: str) -> Connector:
    """The connector that a package is: a name, alone or pinned. Of a URL only the file's name is shown."""
    found = _PACKAGE.fullmatch(package)
    if found is None:
        return Connector(package, None)
    if found["url"]:
        return Connector(found[1], _file_in(found["url"]))
    return Connector(found[1], found["version"])


def _file_in(url: str) -> str | None:
    """The name of the file. Before it there may be a login, after it a signature; None if that is not clear."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    name = parts.path.rpartition("/")[2]
    return name if parts.netloc and name and "@" not in parts.path else None


Command = Annotated[tuple[str, ...] | str | None, AfterValidator(_check_quotes)]
"""A program with its arguments: a list, or a line as a shell reads it."""

Document = dict[str, Any] | Annotated[str, Strict()]
"""An object, its JSON text, or the path of a file that holds it."""
