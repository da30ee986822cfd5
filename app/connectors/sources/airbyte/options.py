"""The options of the source `airbyte`: which connector, how it runs, and its configuration."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import Field, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.constraints import Constraints, check_constraints
from app.connectors.options.selected_streams import SelectedStreams  # noqa: TC001 - pydantic reads the annotations
from app.connectors.options.types import Command, Document, NoParameters, Options, Pinned, connector_in, matching
from app.domain.connector import Connector
from app.domain.duration import Duration  # noqa: TC001 - pydantic reads the annotations
from app.domain.keys import Several

CDK: Final = "airbyte-cdk==7.39.1"
"""What runs a manifest by default."""

_RUNS_MANIFESTS: Final = "source-declarative-manifest"
_ORIGINS: Final = ("package", "command", "manifest", "image", "docker_image")
_NAME: Final = r"[A-Za-z0-9][\w.-]*(:\d+)?(/[A-Za-z0-9_][\w.-]*)*"
_IMAGE: Final = re.compile(rf"{_NAME}(:[\w][\w.-]*(@sha256:[0-9a-f]{{64}})?|@sha256:[0-9a-f]{{64}})")
_REPOSITORY: Final = re.compile(_NAME)
_TAG: Final = re.compile(r"\w[\w.-]*")


class AirbyteOptions(Options):
    """An Airbyte connector: a pinned `package`, a `command`, a declarative `manifest` or a Docker `image`.

    The names that Jitsu Classic used (`docker_image`, `image_version`, `initial_state`, …) are understood as well.
    """

    package: Pinned | None = None
    executable: str | None = None
    command: Command = None
    manifest: Document | None = None
    components: str | None = None
    constraints: Constraints = ()
    image: str | None = None
    docker_image: str | None = None
    image_version: str | None = None
    network: Annotated[str, matching(r"\w[\w.:-]*", "the name of a Docker network, such as bridge")] | None = None
    docker_options: Annotated[tuple[str, ...], Several] = ()
    config: Document = Field(default_factory=dict)
    catalog: Document | None = None
    discovery_max_age: Duration = timedelta(hours=1)
    state: dict[str, Any] | list[Any] | str | None = None
    initial_state: dict[str, Any] | list[Any] | str | None = None
    selected_streams: SelectedStreams = ()
    stream_table_names: dict[str, str] = Field(default_factory=dict)
    stream_table_name_prefix: str | None = None

    @field_validator("image")
    @classmethod
    def _check_pinned(cls, image: str | None) -> str | None:
        if image is not None and not _IMAGE.fullmatch(image):
            raise ValueError(f"{image!r} is not an image with a version; write airbyte/source-name:1.2.3")
        return image

    @field_validator("docker_image")
    @classmethod
    def _check_image_name(cls, image: str | None) -> str | None:
        if image is not None and not (_REPOSITORY.fullmatch(image) or _IMAGE.fullmatch(image)):
            raise ValueError(f"{image!r} is not an image name; write airbyte/source-name")
        return image

    @field_validator("image_version")
    @classmethod
    def _check_image_version(cls, version: str | None) -> str | None:
        if version and not _TAG.fullmatch(version):
            raise ValueError(f"{version!r} is not an image version; write one such as 1.2.3")
        return version

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        present = [key for key in _ORIGINS if getattr(self, key)]
        # With a manifest, the package is what runs it.
        if len(present) != 1 and present != ["package", "manifest"]:
            found = " and ".join(f"'{key}'" for key in present) or "none"
            raise ValueError(f"give exactly one of {', '.join(map(repr, _ORIGINS))}; found {found}")
        if self.state is not None and self.initial_state is not None:
            raise ValueError("give either 'state' or 'initial_state', not both")
        return self

    @model_validator(mode="after")
    def _check_keys_of_origin(self) -> Self:
        for keys, origins in (
            (("executable",), ("package",)),
            (("components",), ("manifest",)),
            (("image_version",), ("docker_image",)),
            (("network", "docker_options"), ("image", "docker_image")),
        ):
            for key in keys:
                if getattr(self, key) and not any(getattr(self, origin) for origin in origins):
                    raise ValueError(f"'{key}' is valid only with {' or '.join(map(repr, origins))}")
        check_constraints(self.constraints, self.installed)
        return self

    @property
    def installed(self) -> tuple[str, ...]:
        """The packages to install; none for a `command` and an image."""
        return self.package or ((CDK,) if self.manifest is not None else ())

    @property
    def installed_executable(self) -> str | None:
        """The command of what is installed; None for the only one that it has."""
        return _RUNS_MANIFESTS if self.manifest is not None else self.executable

    @property
    def image_name(self) -> str | None:
        """The image with its version. Classic leaves out the publisher, and without a version takes the newest."""
        if self.docker_image is None:
            return self.image
        name = self.docker_image if "/" in self.docker_image else f"airbyte/{self.docker_image}"
        return name if _IMAGE.fullmatch(name) else f"{name}:{self.image_version or 'latest'}"


def connector_of(options: AirbyteOptions) -> Connector:
    """What reads the source; without anything secret."""
    if image := options.image_name:
        return _connector_in_image(image)
    # Arguments of a command may be secrets.
    return connector_in(options.installed[0]) if options.installed else Connector("airbyte", None)


def _connector_in_image(image: str) -> Connector:
    tagged, at, digest = image.partition("@")
    # A colon before the last slash is that of a registry's port.
    colon = tagged.find(":", tagged.rfind("/") + 1)
    if colon < 0:
        return Connector(tagged, digest)
    return Connector(tagged[:colon], f"{tagged[colon + 1 :]}{at}{digest}")


KINDS: Final[dict[str, SourceKind]] = {
    "airbyte": SourceKind(
        AirbyteOptions,
        NoParameters,
        "app.connectors.sources.airbyte.source:AirbyteSource",
        offers="by itself",
        connector=connector_of,
        instead_of_intervals="it reads from its bookmark or its start date onwards; set an earlier one",
        renews="config",
        finds_its_collections=True,
        tells_versions=True,
        bookmark_problem="app.connectors.sources.airbyte.states:bookmark_problem",
        tries="check, discover, find the stream",
    ),
}
