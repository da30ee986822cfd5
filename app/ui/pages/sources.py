"""The sources and destinations of the catalogue: what is wrong there, whether they work, and what they offer."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Final

from app.api.http.errors import RefusedError
from app.api.http.parameters import SOURCE
from app.api.operations.calling import SOURCE_FAILED, call_connector
from app.config.pasting import HEAD, collection_yaml
from app.connectors.contract.offers import UNKNOWN
from app.connectors.kinds import BY_COLLECTION
from app.domain.api_token import TokenScope
from app.domain.attempt_protocol import ColumnTypes
from app.domain.choices import unknown_name
from app.domain.condition import Condition
from app.ui.page import read_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.responses import Response

    from app.config.sources import Source
    from app.domain.attempt_protocol import Offered
    from app.ui.page import View

MOST_OFFERS: Final = 5000
_MOST_COLUMNS: Final = 100


@dataclass(frozen=True, slots=True)
class Tried:
    """A source or a destination that was tried, and why it does not work; None if it does."""

    what: str
    name: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that a source offers, with its entry in YAML, and how many columns are not shown.

    `columns` are names, with the type at the source and those that the columns get, by destination.
    """

    offer: Offered
    yaml: str
    known: bool
    columns: Sequence[tuple[str, str, Mapping[str, str]]]
    left_out: int


async def show_sources(view: View) -> Response:
    """Show all sources and destinations, those first that have problems."""
    catalogue, snapshot = view.services.catalogue(), await view.snapshots.get()
    conditions = {source: Counter[Condition]() for source in catalogue.sources}
    for each in snapshot.collections:
        conditions.get(each.source, Counter())[each.condition] += 1
    used = Counter(name for source in catalogue.sources.values() for name in source.destinations)
    return view.render(
        "sources.html",
        current="sources",
        problems=[*map(str, catalogue.problems)],
        rejected=sorted(catalogue.rejected.keys() - catalogue.sources.keys()),
        sources=[(source, conditions[source.id].get(Condition.FAILING, 0)) for source in catalogue.sources.values()],
        destinations=[(each, used[each.id]) for each in catalogue.destinations.values()],
        may_test=view.may(TokenScope.ADMIN),
    )


async def test(view: View) -> Response:
    """Try a source and its destinations, or one destination alone, and show what became of it."""
    form = await read_form(view.request)
    services, catalogue = view.services, view.services.catalogue()
    calls: list[tuple[str, str, Callable[[], Awaitable[None]]]] = []
    if destination := form.get("destination"):
        if destination not in catalogue.destinations:
            why = unknown_name("destination", destination, catalogue.destinations)
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is no such destination", why)
        names: Sequence[str] = [destination]
    else:
        source = catalogue.find_source(SOURCE.required_in(form))
        names = source.destinations
        calls.append(("source", source.id, partial(services.test_source, source.id, None)))
    calls += [("destination", name, partial(services.test_destination, name)) for name in names]
    tried = [await _try(view, *each) for each in calls]
    return view.render("tested.html", current="sources", tried=tried)


async def discover(view: View) -> Response:
    """Show what a source offers, to choose from: the entries of the catalogue are YAML to paste."""
    form = await read_form(view.request)
    services = view.services
    source = services.catalogue().find_source(SOURCE.required_in(form))
    offered = await call_connector(
        services, view.request, lambda: services.discover_source(source.id), failed=SOURCE_FAILED
    )
    described = await _describe_types(view, source, offered[:MOST_OFFERS])
    # In a thread, because there may be thousands.
    return await asyncio.to_thread(_render_offers, view, source, offered, described)


async def _describe_types(view: View, source: Source, offered: Sequence[Offered]) -> Sequence[ColumnTypes]:
    """What each destination makes of the types that are offered: of a type the same in every table."""
    services = view.services
    types = sorted({type_ for offer in offered for type_ in offer.columns.values()} - {UNKNOWN})
    if not types:
        return []
    call = partial(services.describe_types, source.destinations, types)
    try:
        return await call_connector(services, view.request, call, failed=SOURCE_FAILED)
    except RefusedError as refused:
        return [ColumnTypes(name, error=refused.error or refused.message) for name in source.destinations]


def _render_offers(
    view: View, source: Source, offered: Sequence[Offered], described: Sequence[ColumnTypes]
) -> Response:
    known = {each.type for each in source.collections.values()}
    by_destination = {each.destination: each.types for each in described if each.types}
    return view.render(
        "offers.html",
        current="sources",
        source=source,
        choices=[_choice(offer, by_destination, known=offer.name in known) for offer in offered[:MOST_OFFERS]],
        destinations=[*by_destination],
        without_types=[each for each in described if not each.types],
        left_out=max(0, len(offered) - MOST_OFFERS),
        head=HEAD,
        may_be_pasted=source.type not in BY_COLLECTION,
    )


async def _try(view: View, what: str, name: str, call: Callable[[], Awaitable[None]]) -> Tried:
    try:
        await call_connector(view.services, view.request, call, failed=SOURCE_FAILED)
    except RefusedError as refused:
        if refused.status != HTTPStatus.BAD_REQUEST:
            raise
        return Tried(what, name, refused.error or refused.message)
    return Tried(what, name, None)


def _choice(offer: Offered, by_destination: Mapping[str, Mapping[str, str]], *, known: bool) -> Choice:
    text = "\n".join(collection_yaml(offer))
    columns = [
        (name, type_, {where: types[type_] for where, types in by_destination.items() if type_ in types})
        for name, type_ in islice(offer.columns.items(), _MOST_COLUMNS)
    ]
    return Choice(offer, text, known, columns, max(0, len(offer.columns) - _MOST_COLUMNS))
