"""Answers of connectors without secrets, which any of their texts may repeat."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec.structs import replace

from app.domain.attempt_protocol import Checked, ColumnTypes, Counted, Offered, OwnTable, Previewed, Specified
from app.domain.redaction import REDACTED, redact_json

if TYPE_CHECKING:
    from collections.abc import Callable

# A shorter secret may be part of a name by chance, and who chooses the name must see it.
_SHORTEST_IN_NAME: Final = 12

Answer: TypeAlias = Checked | Offered | OwnTable | Previewed | Specified | Counted | ColumnTypes


def masked(answer: Answer, redact: Callable[[str], str]) -> Answer:
    """The answer with `redact` applied to what the connector says.

    Names by which the catalogue or a later question knows something stay: those of what was tried, counted or dropped.
    """
    match answer:
        case Checked():
            error = None if answer.error is None else redact(answer.error)
            return replace(answer, error=error, found=redact(answer.found))
        case Offered():
            redact_name = partial(_masked_name, redact)
            return replace(
                answer,
                name=redact_name(answer.name),
                columns={redact_name(name): redact(type_) for name, type_ in answer.columns.items()},
                key=redact_json(answer.key, redact_name),
                cursor_fields=redact_json(answer.cursor_fields, redact_name),
            )
        case Specified():
            return replace(answer, specification=redact_json(answer.specification, redact))
        case Previewed():
            columns = [
                replace(
                    each,
                    field=redact(each.field),
                    type=redact(each.type),
                    columns={name: (redact(column), redact(type_)) for name, (column, type_) in each.columns.items()},
                )
                for each in answer.columns
            ]
            return replace(
                answer,
                columns=columns,
                rows=redact_json(answer.rows, redact),
                refused={name: redact(why) for name, why in answer.refused.items()},
            )
        case ColumnTypes():
            # Their keys are what was asked for.
            types = {type_: redact(their) for type_, their in answer.types.items()}
            return replace(answer, types=types, error=redact(answer.error))
        case OwnTable() | Counted():
            return replace(answer, error=redact(answer.error))


def _masked_name(redact: Callable[[str], str], name: str) -> str:
    shown = redact(name)
    marks = shown.count(REDACTED)
    hidden = len(name) - len(shown) + marks * len(REDACTED)
    return name if hidden < marks * _SHORTEST_IN_NAME else shown
