"""The options of the source `rest`: dlt's configuration of a REST API."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import Field, Strict, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.dlt.examination import find_problems
from app.connectors.options.installed import check_installed
from app.connectors.options.types import NoParameters, Options
from app.domain.choices import unknown_name
from app.domain.collection import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.connectors.options.complaints import KeyProblem


class RestOptions(Options):
    """`client`, `resource_defaults` and `resources` of dlt's `rest_api`; dlt checks what is below them."""

    client: dict[str, Any]
    resources: tuple[Annotated[str, Strict()] | dict[str, Any], ...] = Field(min_length=1)
    resource_defaults: dict[str, Any] = Field(default_factory=dict)

    @field_validator("client")
    @classmethod
    def _check_base_url(cls, client: dict[str, Any]) -> dict[str, Any]:
        if not str(client.get("base_url", "")).startswith(("http://", "https://")):
            raise ValueError("'base_url' is required and must start with http:// or https://")
        return client

    @field_validator("resources")
    @classmethod
    def _check_resource_names(cls, resources: tuple[str | dict[str, Any], ...]) -> tuple[str | dict[str, Any], ...]:
        if not all(_name(resource) for resource in resources):
            raise ValueError("each resource must be a name or a mapping with the key 'name'")
        return resources

    @model_validator(mode="after")
    def _check_packages(self) -> Self:
        check_installed("type 'rest'", "rest", "dlt")
        return self

    def config(self) -> dict[str, Any]:
        """A copy for dlt, which changes it."""
        return copy.deepcopy(
            {
                "client": self.client,
                "resources": list(self.resources),
                "resource_defaults": self.resource_defaults,
            }
        )

    def names(self) -> list[str]:
        return list(map(_name, self.resources))

    def resource_config(self, name: str) -> dict[str, Any]:
        """The configuration of a resource with the defaults for keys that it lacks."""
        own = next(each for each in self.resources if _name(each) == name)
        return self.resource_defaults | (own if isinstance(own, dict) else {})

    def find_problems(self) -> Iterable[KeyProblem]:
        return find_problems("app.connectors.sources.rest.examination", self.config())

    def collection_problem(self, name: str) -> str | None:
        names = self.names()
        if name in names or name == ALL:
            return None
        return unknown_name("resource", name, [*names, ALL])


def _name(resource: str | dict[str, Any]) -> str:
    name = resource if isinstance(resource, str) else resource.get("name")
    return name if isinstance(name, str) else ""


KINDS: Final[dict[str, SourceKind]] = {
    "rest": SourceKind(
        RestOptions,
        NoParameters,
        "app.connectors.sources.rest.source:RestSource",
        offers="by itself",
        heavy=("dlt",),
        finds_its_collections=True,
        looks_back=True,
        library="dlt",
        bookmark_problem="app.connectors.sources.rest.bookmark:bookmark_problem",
        tries="read the first page",
    ),
}
