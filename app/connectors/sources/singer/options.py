"""The options of the source `singer`: the tap, its own configuration, and the fields of a collection."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.constraints import Constraints, check_constraints
from app.connectors.options.selected_streams import SelectedStreams  # noqa: TC001 - pydantic reads the annotations
from app.connectors.options.types import PINNED, Command, Document, Options, Pinned, connector_in
from app.domain.connector import Connector
from app.domain.duration import Duration  # noqa: TC001 - pydantic reads the annotations
from app.domain.keys import Several

_NAMED: Final = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w., -]+\])?")


class SingerOptions(Options):
    """A Singer tap: a pinned `package` that is installed on first use, or the `command` that runs it.

    The names that Jitsu Classic used (`tap`, `properties`, `initial_state`, …) are understood as well; a `tap` without
    a version keeps the newest version at the time of its first installation.
    """

    package: Pinned | None = None
    command: Command = None
    tap: str | None = None
    executable: str | None = None
    constraints: Constraints = ()
    config: Document = Field(default_factory=dict)
    catalog: Document | None = None
    properties: Document | None = None
    state: Document | None = None
    initial_state: Document | None = None
    selected_streams: SelectedStreams = ()
    stream_table_names: dict[str, str] = Field(default_factory=dict)
    stream_table_name_prefix: str | None = None
    discovery_max_age: Duration = timedelta(hours=1)

    @property
    def installed(self) -> tuple[str, ...]:
        """The packages to install; none where there is a `command`."""
        return self.package or ((self.tap,) if self.tap else ())

    @property
    def chosen_streams(self) -> SelectedStreams:
        """Those of the collection `all`; a configured catalog says itself which ones are selected."""
        return self.selected_streams if self.catalog is None and self.properties is None else ()

    @field_validator("tap")
    @classmethod
    def _check_package_name(cls, tap: str | None) -> str | None:
        if tap is not None and not (_NAMED.fullmatch(tap) or PINNED.fullmatch(tap)):
            raise ValueError(f"{tap!r} is not a package name; write name or name==version")
        return tap

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        present = [key for key in ("package", "command", "tap") if getattr(self, key)]
        if len(present) != 1:
            found = " and ".join(f"'{key}'" for key in present) or "none"
            raise ValueError(f"give exactly one of 'package', 'command' and 'tap'; found {found}")
        if self.executable and self.command:
            raise ValueError("'executable' is valid only with 'package' or 'tap'")
        check_constraints(self.constraints, self.installed)
        for key, classic in (("catalog", "properties"), ("state", "initial_state")):
            if getattr(self, key) is not None and getattr(self, classic) is not None:
                raise ValueError(f"give either '{key}' or '{classic}', not both")
        return self


class SingerParameters(Options):
    """Which fields: names, patterns with `*` and `?`, and `!` before what to leave out."""

    select: Annotated[tuple[str, ...], Several] = ()

    @field_validator("select")
    @classmethod
    def _check_patterns(cls, select: tuple[str, ...]) -> tuple[str, ...]:
        if not all(each.removeprefix("!") for each in select):
            raise ValueError("empty pattern; write a field name, a pattern such as 'address_*', or '!name'")
        return select


def _connector_of(options: SingerOptions) -> Connector:
    # Arguments of a command may be secrets.
    return connector_in(options.installed[0]) if options.installed else Connector("singer", None)


KINDS: Final[dict[str, SourceKind]] = {
    "singer": SourceKind(
        SingerOptions,
        SingerParameters,
        "app.connectors.sources.singer.source:SingerSource",
        offers="by itself",
        connector=_connector_of,
        instead_of_intervals="it reads from its bookmark or its start date onwards; set an earlier one",
        renews="config",
        finds_its_collections=True,
        bookmark_problem="app.connectors.sources.singer.state:bookmark_problem",
        tries="discover, find the stream",
    ),
}
