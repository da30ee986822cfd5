"""Answers of connectors without secrets, which any of their texts may repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from app.connectors.values import jsontext
from app.domain.attempt_protocol import (
    CatalogShown,
    Checked,
    ColumnTypes,
    Counted,
    Offered,
    OwnTable,
    Previewed,
    Specified,
)
from app.domain.redaction import redact_json

if TYPE_CHECKING:
    from collections.abc import Callable

Answer: TypeAlias = Checked | Offered | OwnTable | Previewed | Specified | CatalogShown | Counted | ColumnTypes


def masked(answer: Answer, redact: Callable[[str], str], redact_name: Callable[[str], str]) -> Answer:
    """The answer with `redact` applied to what the connector says, and `redact_name` to names of tables and fields.

    Names by which the catalogue or a later question knows something stay: those of what was tried, counted or dropped.
    """
    match answer:
        case Checked():
            error = None if answer.error is None else redact(answer.error)
            return replace(answer, error=error, found=redact(answer.found))
        case Offered():
            return replace(
                answer,
                name=redact_name(answer.name),
                columns={redact_name(name): redact_name(type_) for name, type_ in answer.columns.items()},
                key=redact_json(answer.key, redact_name),
                cursor_fields=redact_json(answer.cursor_fields, redact_name),
            )
        case Specified() | CatalogShown():
            return _masked_document(answer, redact)
        case Previewed():
            columns = [
                replace(
                    each,
                    field=redact_name(each.field),
                    type=redact(each.type),
                    columns={at: (redact_name(name), redact(type_)) for at, (name, type_) in each.columns.items()},
                )
                for each in answer.columns
            ]
            return replace(
                answer,
                columns=columns,
                rows=[
                    {redact_name(name): redact_json(value, redact) for name, value in row.items()}
                    for row in answer.rows
                ],
                refused={name: redact(why) for name, why in answer.refused.items()},
            )
        case ColumnTypes():
            # Their keys are what was asked for.
            types = {type_: redact(their) for type_, their in answer.types.items()}
            return replace(answer, types=types, error=redact(answer.error))
        case OwnTable() | Counted():
            return replace(answer, error=redact(answer.error))


def _masked_document(answer: Specified | CatalogShown, redact: Callable[[str], str]) -> Answer:
    if isinstance(answer, Specified):
        return replace(answer, specification=redact_json(answer.specification, redact))
    return replace(answer, catalog=jsontext.encode(redact_json(jsontext.decode(answer.catalog), redact)))
