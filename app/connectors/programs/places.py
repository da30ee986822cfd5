"""Where environments of packages are looked for, and whether missing ones may be installed while attempts run.

`SYNCLINE_CONNECTORS_DIR` is a directory that `syncline connectors install` has filled, as in an image; attempts only
read it. What is not there is looked for in the data directory, and installed there unless `SYNCLINE_INSTALL` is
`never`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTORS_DIR: Final = "SYNCLINE_CONNECTORS_DIR"
INSTALL: Final = "SYNCLINE_INSTALL"
NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Places:
    """`prepared` is the directory that was filled beforehand, if there is one; `own` is below the data directory."""

    own: Path
    prepared: Path | None = None
    may_install: bool = True

    @classmethod
    def of(cls, data_dir: Path, environment: Mapping[str, str]) -> Self:
        """The places that this process's environment says."""
        prepared = environment.get(CONNECTORS_DIR)
        return cls(environments_in(data_dir), Path(prepared).absolute() if prepared else None, may_fetch(environment))

    def refuse(self, what: str, why: str) -> ConfigurationError:
        """The error for a package that is missing where nothing may be installed; `why` is why one does not count."""
        where = " or ".join(str(each) for each in (self.prepared, self.own) if each)
        directory = f" --dir {self.prepared}" if self.prepared else ""
        found = f" ({why})" if why else ""
        return ConfigurationError(
            f"{what} is not installed in {where}{found}, and {INSTALL}={NEVER} forbids installing it now: "
            f"run 'syncline connectors install --config FILE{directory}'"
        )


def environments_in(data_dir: Path) -> Path:
    """The directory of the environments that attempts make."""
    return (data_dir / "venvs").absolute()


def may_fetch(environment: Mapping[str, str]) -> bool:
    """Whether what is missing may be fetched while attempts run."""
    return environment.get(INSTALL, "").lower() != NEVER
