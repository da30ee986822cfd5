"""What a reading warns of: names of columns that look the same, and files without content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.connectors.making import make_source
from app.connectors.sources.files.lookalikes import lookalikes
from tests.connectors.attempts import sync_of
from tests.connectors.sources.files.filing import Filing

if TYPE_CHECKING:
    from pathlib import Path


def warnings_of(filing: Filing) -> list[str]:
    told: list[tuple[str, str]] = []
    job = sync_of(filing._job(0, {}))
    source = make_source(job, work_dir=filing.directory, log=lambda level, text: told.append((level, text)))
    list(source.read(None))
    return [text for level, text in told if level == "warn"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Größe", "Gro\u0308ße", " Größe "], [["Größe", "Gro\u0308ße", " Größe "]]),
        (["id", "\u200bid", "name", "na\xadme"], [["id", "\u200bid"], ["name", "na\xadme"]]),
        (["a b", "a  b", "ab"], [["a b", "a  b"]]),
        (["id", "ID", "1", "l"], []),
    ],
)
def test_names_that_look_the_same_are_found(names: list[str], found: list[list[str]]) -> None:
    assert lookalikes(names) == found


def test_columns_that_look_the_same_are_told_once_with_their_characters(tmp_path: Path) -> None:
    filing = Filing(tmp_path)
    for name, column in (("a", "Größe"), ("b", "Gro\u0308ße"), ("c", "Größe")):
        filing.write(f"{name}.csv", f"id,{column}\n1,10\n")
    (warning,) = warnings_of(filing)
    assert warning.startswith(f"{filing.inbox}/b.csv: these columns look the same, but have other characters: ")
    assert warning.endswith(r"'Gr\xf6\xdfe', 'Gro\u0308\xdfe'")


def test_an_empty_file_of_an_incremental_collection_is_told_unless_that_is_allowed(tmp_path: Path) -> None:
    filing = Filing(tmp_path)
    filing.write("a.csv", "")
    filing.write("b.csv", "id\n1\n")
    assert warnings_of(filing) == [f"{filing.inbox}/a.csv is empty, as if its export had failed; it counts as loaded"]
    filing.parameters["empty"] = "allow"
    assert warnings_of(filing) == []
