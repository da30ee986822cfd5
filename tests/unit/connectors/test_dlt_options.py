"""What a catalogue may say of APIs and of dlt's destinations, and that nothing else has to wait for dlt."""

from __future__ import annotations

import subprocess
import sys

from app.config.reader import load_catalogue

CATALOGUE = """
sources:
  shop:
    type: rest
    destinations: [there]
    config:
      client: {{base_url: "https://shop.example.com", auth: {{type: bearer, token: hunter22}}, paginator: {paginator}}}
      resources: [orders, customers]
    collections: [{collection}]
destinations:
  there: {destination}
"""
NATIVE = "{type: none}"


def complaints(
    *, paginator: str = "single_page", collection: str = "orders", destination: str = NATIVE
) -> list[tuple[str, str]]:
    text = CATALOGUE.format(paginator=paginator, collection=collection, destination=destination)
    return [(problem.path, problem.message) for problem in load_catalogue(text, {}).problems]


def test_dlt_examines_the_configuration_of_an_api() -> None:
    assert complaints() == []
    ((path, message),) = complaints(paginator="{type: page_numbr}")
    assert path == "sources.shop.config"
    assert message.startswith("dlt refuses it: ")
    assert "page_numbr" in message
    assert "hunter22" not in message


def test_a_collection_that_is_no_resource_is_refused_with_those_there_are() -> None:
    ((path, message),) = complaints(collection="ordres")
    assert path == "sources.shop.collections[0]"
    assert message == "the API has no resource 'ordres', valid are: orders, customers, all"


def test_only_what_is_made_of_dlt_waits_for_it() -> None:
    modules = [
        "app.attempt.__main__",
        "app.config.check",
        "app.execution.worker",
        "app.connectors.destinations.duckdb",
        "app.connectors.destinations.postgres",
        *(f"app.connectors.sources.{kind}" for kind in ("files", "python", "redis", "singer", "sql", "synthetic")),
    ]
    look = f"import sys, {', '.join(modules)}; print('dlt' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
