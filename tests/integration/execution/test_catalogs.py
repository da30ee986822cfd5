"""The catalog of a connector, as it is shown: exact, without secrets, and only of kinds that have one."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.domain.errors import ConfigurationError
from app.execution.source_check import read_catalog
from app.execution.trial_renewals import renewals_of_unsaved

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter22-hunter22"
# One file for both protocols.
CONNECTOR = """
import json, sys
if sys.argv[1] == "spec":
    print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {}}}))
    sys.exit()
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
if "refresh_token" in config:
    changed = config | {"refresh_token": "renewed-token"}
    json.dump(changed, open(sys.argv[sys.argv.index("--config") + 1], "w"))
stream = '{"tap_stream_id": "a", "name": "a", "x": 0.10000000000000000001, "note": "%s"}' % config["api_key"]
catalog = '{"streams": [%s]}' % stream
print(catalog if "--discover" in sys.argv else '{"type": "CATALOG", "catalog": %s}' % catalog)
"""


async def shown(directory: Path, type_: str, config: dict[str, Any]) -> tuple[str, list[str]]:
    """The catalog, and what was told."""
    (directory / "connector.py").write_text(CONNECTOR)
    source = {"type": type_, "destinations": ["nowhere"], "config": config}
    document = {"sources": {"made": source}, "destinations": {"nowhere": {"type": "none"}}}
    catalogue = load_catalogue(json.dumps(document), {}, without_collections=True)
    told: list[str] = []
    renewals, now = renewals_of_unsaved(told.append), datetime.now(UTC)
    return await read_catalog(catalogue, "made", data_dir=directory, now=now, renewals=renewals), told


@pytest.mark.parametrize("type_", ["singer", "airbyte"])
async def test_a_catalog_is_shown_as_the_connector_has_written_it_without_secrets(tmp_path: Path, type_: str) -> None:
    command = [sys.executable, str(tmp_path / "connector.py")]
    catalog, told = await shown(tmp_path, type_, {"command": command, "config": {"api_key": SECRET}})
    stream = '{"tap_stream_id":"a","name":"a","x":0.10000000000000000001,"note":"***"}'
    assert (catalog, told) == (f'{{"streams":[{stream}]}}', [])


async def test_what_an_unsaved_configuration_renews_is_lost_and_that_is_told(tmp_path: Path) -> None:
    command = [sys.executable, str(tmp_path / "connector.py")]
    config = {"api_key": "renewed-token", "refresh_token": SECRET}
    catalog, told = await shown(tmp_path, "singer", {"command": command, "config": config})
    assert json.loads(catalog)["streams"][0]["note"] == "***"
    what = "the connector renewed its configuration, and the new one is lost"
    why = (
        "the configuration is in no catalogue; if its old credentials are no longer valid, get new ones before it is "
        "saved"
    )
    assert told == [f"{what}: {why}"]


async def test_a_kind_without_a_catalog_says_so(tmp_path: Path) -> None:
    (tmp_path / "made.db").touch()
    with pytest.raises(ConfigurationError) as raised:
        await shown(tmp_path, "sql", {"url": f"sqlite:///{tmp_path}/made.db"})
    assert str(raised.value) == "a source of type 'sql' has no connector with a catalog of its own"
