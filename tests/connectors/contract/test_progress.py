"""Sources that know how much there is tell how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.passes import Measured, Rows
from app.connectors.making import make_source
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Postgres


def shares(directory: Path, source_type: str, config: dict[str, Any], **collection: Any) -> list[float | None]:
    """What the source says after each of its rows."""
    job = SourceJob(
        source="source",
        source_type=source_type,
        source_config=config,
        collection=CollectionJob(
            **{"name": "c", "type": "c", "table_name": "c", "start_date": "2020-01-01"} | collection
        ),
        data_dir=str(directory),
    )
    source = make_source(job, work_dir=directory, log=lambda *_: None)
    assert isinstance(source, Measured)
    return [source.progress() for item in source.read(None) if isinstance(item, Rows)]


def test_files_tell_it_by_their_bytes(tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        (tmp_path / f"{number}.csv").write_text("id,text\n" + f"1,{'x' * 10_000}\n" * 300)
    found = shares(tmp_path, "files", {}, parameters={"path": f"{tmp_path}/*.csv"})
    assert len(found) > 8
    assert found == sorted(found, key=lambda share: share or 0)
    assert 0 < (found[0] or 0) < 0.25
    assert 0.9 < (found[-1] or 0) <= 1


def test_a_whole_table_of_postgresql_tells_it_by_what_was_counted_last(tmp_path: Path, postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE c AS SELECT n AS id FROM generate_series(1, 20000) AS n")
    config = {"url": postgres.url, "chunk_rows": 5000}
    assert set(shares(tmp_path, "sql", config)) == {None}, "nobody has counted yet"
    postgres.execute("ANALYZE c")
    found = shares(tmp_path, "sql", config)
    assert found == sorted(found, key=lambda share: share or 0)
    assert found[-1] == 0.99, "an estimate never says that all is read"
    assert set(shares(tmp_path, "sql", config, cursor_field="id")) == {None}, "how much is new nobody knows"


def test_made_records_tell_it_exactly(tmp_path: Path) -> None:
    assert shares(tmp_path, "synthetic", {}, parameters={"records": 4000}) == [0.25, 0.5, 0.75, 1.0]
