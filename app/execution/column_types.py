"""Which types columns get at destinations, asked in a child process as an attempt would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.attempt_protocol import ColumnTypes, DescribeTypes
from app.domain.choices import unknown_name
from app.domain.errors import SynclineError
from app.execution.questions import ask, redacting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue


async def describe_types(
    catalogue: Catalogue, destinations: Sequence[str], types: Iterable[str], *, data_dir: Path
) -> list[ColumnTypes]:
    """The types that each destination has for these (`contract.schema.type_name`), or why it does not say.

    Nothing contains secrets of the catalogue.
    """
    there, answers, why = catalogue.destinations, list[ColumnTypes](), ""
    known = {name: there[name].for_attempt() for name in destinations if name in there}
    job = DescribeTypes(known, list(types), str(data_dir))
    try:
        await ask(job, ColumnTypes, answers.append, redacting(catalogue))
    except SynclineError as error:
        why = str(error)
    found = {each.destination: each for each in answers}
    for name in destinations:
        unknown = "" if name in known else unknown_name("destination", name, there)
        found.setdefault(name, ColumnTypes(name, error=unknown or why))
    return [found[name] for name in destinations]
