"""The options of the destination `duckdb`: where its file is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field, model_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.options.installed import check_installed
from app.connectors.options.types import Options
from app.domain.naming import AS_IS, PlainNaming

if TYPE_CHECKING:
    from collections.abc import Hashable


class DuckdbDestinationOptions(Options):
    """A database file; tables are created in `schema`."""

    type: Literal["duckdb"] = "duckdb"
    path: str = Field(min_length=1)
    schema_: str = Field(default="main", alias="schema", min_length=1)
    naming: PlainNaming = AS_IS

    @model_validator(mode="after")
    def _check_packages(self) -> Self:
        check_installed("type 'duckdb'", "duckdb", "duckdb")
        return self

    def home(self) -> Hashable:
        return "duckdb", str(Path(self.path).absolute()), self.schema_.casefold()


KINDS: Final[dict[str, DestinationKind]] = {
    "duckdb": DestinationKind(
        DuckdbDestinationOptions,
        "app.connectors.destinations.duckdb.destination:DuckdbDestination",
        folds_case=True,
        trial="app.connectors.destinations.duckdb.trial:try_out",
        plan="app.connectors.destinations.duckdb.plan:plan_tables",
        heavy=("duckdb",),
        tries="create a table, write a row, drop it",
    ),
}
