"""What a source or a destination runs that can be fetched beforehand: packages, or an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from app.connectors.destinations.singer.options import TargetOptions
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.options.validation import validated
from app.connectors.programs.packages import PackageSet
from app.connectors.sources.airbyte.options import AirbyteOptions
from app.connectors.sources.classic.jobs import translated
from app.connectors.sources.classic.mapping import DRIVERS
from app.connectors.sources.singer.options import SingerOptions

if TYPE_CHECKING:
    from app.connectors.options.types import Options
    from app.domain.attempt_protocol import SourceJob

_INSTALLS = (SingerOptions, AirbyteOptions, TargetOptions)


class Fetched(NamedTuple):
    """`packages` whose command is `executable` (None for the only one that they have), or an `image` of Docker."""

    packages: PackageSet | None = None
    executable: str | None = None
    image: str | None = None


def is_fetched(part: Literal["sources", "destinations"], type_: str) -> bool:
    """Whether a source or destination of this type may run what has to be fetched."""
    kind = SOURCES.get(type_) if part == "sources" else DESTINATIONS.get(type_)
    return kind is not None and (issubclass(kind.options, _INSTALLS) or (part == "sources" and type_ in DRIVERS))


def fetched_by_source(job: SourceJob) -> Fetched | None:
    """What the source runs; None for nothing that has to be fetched.

    Raises:
        ConfigurationError: its options cannot be mapped to those of a connector.
    """
    job = translated(job, with_files=False)
    kind = SOURCES[job.source_type]
    return _fetched(validated(kind.options, job.source_config, key_path=f"sources.{job.source}.config"))


def fetched_by_destination(name: str, description: dict[str, Any]) -> Fetched | None:
    """The same for a destination."""
    kind = DESTINATIONS[description["type"]]
    return _fetched(validated(kind.options, description, key_path=f"destinations.{name}"))


def _fetched(options: Options) -> Fetched | None:
    match options:
        case AirbyteOptions(image_name=str(image)):
            return Fetched(image=image)
        case AirbyteOptions(installed=packages) if packages:
            return Fetched(PackageSet(packages, options.constraints), options.installed_executable)
        case SingerOptions(installed=packages) | TargetOptions(installed=packages) if packages:
            return Fetched(PackageSet(packages, options.constraints), options.executable)
    return None
