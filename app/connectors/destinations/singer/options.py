"""The options of the destination `singer`: the target and its own configuration."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.options.constraints import Constraints, check_constraints
from app.connectors.options.types import Command, Document, Options, Pinned
from app.domain.writing import WriteMode

TARGET_MODES: Final = (WriteMode.APPEND, WriteMode.UPSERT, WriteMode.REPLACE)


class TargetOptions(Options):
    """A Singer target: a pinned `package` that is installed on first use, or the `command` that runs it.

    `settings` are the target's own: in Jitsu Classic, `config` holds a destination's own keys.
    """

    type: Literal["singer"] = "singer"
    package: Pinned | None = None
    command: Command = None
    executable: str | None = None
    constraints: Constraints = ()
    settings: Document = Field(default_factory=dict)

    @property
    def installed(self) -> tuple[str, ...]:
        """The packages to install; none where there is a `command`."""
        return self.package or ()

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        if bool(self.package) == bool(self.command):
            raise ValueError("set exactly one of 'package' and 'command'")
        if self.executable and self.command:
            raise ValueError("'executable' is valid only with 'package'")
        check_constraints(self.constraints, self.package or ())
        return self


KINDS: Final[dict[str, DestinationKind]] = {
    "singer": DestinationKind(
        TargetOptions,
        "app.connectors.destinations.singer.destination:SingerDestination",
        TARGET_MODES,
        keeps_bookmark=False,
        compares_versions=False,
        renews="settings",
        trial="app.connectors.destinations.singer.trial:try_out",
        plan="app.connectors.destinations.singer.plan:plan_tables",
        tries="start the target",
    ),
}
