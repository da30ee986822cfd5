"""Sources and destinations that are in no catalogue, and what their connectors answer, in the form of Jitsu Classic."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, RootModel
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import Name, SourceChoice
from app.api.documents.offers import DiscoveryRequest

Warnings = Annotated[list[str], Field(description="what is ignored, or what the connector has changed")]


class UnsavedSource(TypedDict):
    """A source with the keys that it would have in a catalogue; only where that has `server.ad_hoc_trials`."""

    type: Name
    config: NotRequired[dict[str, Any]]


class UnsavedDestination(TypedDict):
    """A destination with the keys that it would have in a catalogue; only where that has `server.ad_hoc_trials`."""

    type: Name


class DestinationChoice(TypedDict):
    """A destination of the catalogue."""

    destination: Name


class SourceTrial(RootModel[SourceChoice | UnsavedSource]):
    """What to test: a source of the catalogue, or one that is in none."""


class SourceDiscovery(RootModel[DiscoveryRequest | UnsavedSource]):
    """What to discover: a source of the catalogue, or one that is in none."""


class DestinationTrial(RootModel[DestinationChoice | UnsavedDestination]):
    """What to test: a destination of the catalogue, or one that is in none."""


class ConnectorConfig(RootModel[dict[str, Any]]):
    """The configuration that the connector gets."""


class Tried(TypedDict):
    """It works."""

    status: Literal["ok"]
    warnings: NotRequired[Warnings]


class ConnectorCatalog(TypedDict):
    """The connector's own catalog, in the form of its protocol."""

    status: Literal["ok"]
    catalog: dict[str, Any]
    warnings: NotRequired[Warnings]


class AirbyteSpecification(TypedDict):
    """The JSON Schema of what the connector asks for."""

    connectionSpecification: dict[str, Any]


class SpecificationMessage(TypedDict):
    """A message of Airbyte's protocol."""

    type: Literal["SPEC"]
    spec: AirbyteSpecification


class ConnectorSpecification(TypedDict):
    """What a connector asks for."""

    status: Literal["ok"]
    spec: SpecificationMessage


class ImageVersions(TypedDict):
    """The versions of an image, the newest first, without `latest`."""

    versions: list[str]
