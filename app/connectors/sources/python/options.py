"""The options of the source `python`: where the user's function is."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.types import Options
from app.domain.connector import Connector
from app.domain.keys import Several

_IMPORT_PATH: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")


class PythonOptions(Options):
    """A `function` by its import path, `package.module:name`, or a module with a function for each collection.

    `path` are directories to import from, `config` is passed to the function.
    """

    function: str
    path: Annotated[tuple[str, ...], Several] = ()
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("function")
    @classmethod
    def _check_import_path(cls, function: str) -> str:
        if not _IMPORT_PATH.fullmatch(function):
            raise ValueError(f"{function!r} is not an import path; write package.module:name or package.module")
        if (top := re.split("[.:]", function)[0]) in {"app", "syncline"}:
            raise ValueError(f"the package {top!r} is Syncline's own; give yours another name")
        return function


KINDS: Final[dict[str, SourceKind]] = {
    "python": SourceKind(
        PythonOptions,
        connector=lambda options: Connector(options.function, None),
        where="app.connectors.sources.python.source:PythonSource",
        offers="by itself",
        reads_intervals=True,
        looks_back=True,
        tries="import the function",
    ),
}
