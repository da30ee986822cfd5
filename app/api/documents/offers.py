"""What a source offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.fields import Name  # noqa: TC001 - pydantic reads the annotations
from app.connectors.contract.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.attempt_protocol import Offered


OfferedType = (
    Annotated[str, Field(json_schema_extra={"enum": [*(kind.value for kind in Kind), "unknown"]})]
    | Annotated[
        str,
        Field(
            description="An exact decimal, with its digits in all and after the point.",
            json_schema_extra={"pattern": r"^decimal\(\d+,\d+\)$", "examples": ["decimal(18,2)"]},
        ),
    ]
)


class DiscoveryRequest(TypedDict):
    """The source to discover."""

    source: Name


class OfferedColumn(TypedDict):
    """A column; `unknown` is the type of one whose values have to be seen first."""

    name: str
    type: OfferedType


class OfferedCollection(TypedDict):
    """What a collection can be made from: write its `name` as the collection's `type`.

    `cursor_fields` are the columns that may tell which rows are new, the most likely first.
    """

    name: str
    columns: list[OfferedColumn]
    primary_key: list[str]
    cursor_fields: list[str]
    sync_modes: list[Literal["full_refresh", "incremental"]]


class Offers(TypedDict):
    """What a source offers; `warnings` about one that is in no catalogue, and whose id is then `unsaved`."""

    source: str
    collections: list[OfferedCollection]
    warnings: NotRequired[list[str]]


def offers_document(source: str, offered: Iterable[Offered]) -> Offers:
    """Everything that a source offers, in the source's order."""
    return {
        "source": source,
        "collections": [
            {
                "name": each.name,
                "columns": [{"name": name, "type": kind} for name, kind in each.columns.items()],
                "primary_key": each.key,
                "cursor_fields": each.cursor_fields,
                "sync_modes": each.sync_modes,
            }
            for each in offered
        ],
    }
