"""BATCH messages, whose rows are in files: by hand in every form, and from a tap of Meltano's SDK."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.batches import BATCH_BYTES, BATCH_RECORDS
from app.connectors.sources.singer.batch_files import parse_batch
from app.domain.errors import SynclineError
from tests.connectors.attempts import Postgres, Scene, record, schema, state
from tests.connectors.sources.singer.test_sdk_taps import SMALL_TAP, job
from tests.connectors.sources.singer.test_tap import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Told


@pytest.fixture
def scene(tmp_path: Path, postgres: Postgres) -> Scene:
    return Scene(tmp_path, {"warehouse": postgres.options()})


def batch(*manifest: str, stream: str = "made", **encoding: Any) -> dict[str, Any]:
    return {"type": "BATCH", "stream": stream, "encoding": {"format": "jsonl"} | encoding, "manifest": list(manifest)}


def jsonl(*records: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def loaded(postgres: Postgres) -> list[tuple[Any, ...]]:
    return postgres.execute("SELECT id, text FROM loaded.made ORDER BY id")


MADE = schema(["id"], id="integer", text="string")


def test_rows_in_files_are_loaded_in_the_order_of_the_messages(scene: Scene, postgres: Postgres) -> None:
    plain, packed, odd = (scene.directory / name for name in ("1.jsonl", "2.jsonl.gz", "a b.jsonl"))
    plain.write_bytes(b"\xef\xbb\xbf" + jsonl({"id": 1, "text": "one"}) + b"\n" + jsonl({"id": 2, "text": "two"}))
    packed.write_bytes(gzip.compress(jsonl({"id": 2, "text": "newer"})) + gzip.compress(jsonl({"id": 3})))
    odd.write_bytes(jsonl({"id": 4, "text": "four"})[:-1])
    told = scene.load(
        MADE,
        record(id=1, text="older"),
        batch(plain.as_uri(), packed.as_uri(), compression="gzip"),
        record(id=3, text="after"),
        batch(odd.as_uri(), compression="none"),
        batch(f"file://localhost{odd.as_uri().removeprefix('file://')}"),
        batch(),
        state({"at": 9}),
    )
    assert told.finished.records_read == 8
    assert loaded(postgres) == [(1, "one"), (2, "newer"), (3, "after"), (4, "four")]
    assert postgres.execute("SELECT bookmark::jsonb FROM loaded._syncline_bookmarks") == [({"at": 9},)]
    assert odd.exists(), "they belong to the user"


@pytest.mark.parametrize("name", ["a#1.jsonl", "a?1.jsonl", "100%.jsonl", "a%20b.jsonl", "a b;c.jsonl"])
def test_a_name_that_is_not_encoded_is_that_of_the_file(scene: Scene, postgres: Postgres, name: str) -> None:
    file = scene.directory / name
    file.write_bytes(jsonl({"id": 1, "text": "one"}))
    scene.load(MADE, batch(f"file://{file}"), batch(file.as_uri()), batch(str(file)), state({"at": 9}))
    assert loaded(postgres) == [(1, "one")]


def test_numbers_in_files_keep_their_digits(scene: Scene, postgres: Postgres) -> None:
    file = scene.directory / "1.jsonl"
    file.write_bytes(b'{"id": 123456789012345678901234567890, "sum": 0.10}\n')
    scene.load(schema(["id"], id={"type": "integer", "maximum": 10**30}, sum="number"), batch(str(file)))
    assert postgres.execute("SELECT id::text, sum::text FROM loaded.made") == [
        ("123456789012345678901234567890", "0.10")
    ]


@pytest.mark.parametrize(("records", "length"), [(20_000, 0), (3000, 1000)])
def test_a_file_is_read_in_pieces_of_bounded_size(tmp_path: Path, records: int, length: int) -> None:
    file = tmp_path / "1.jsonl.gz"
    file.write_bytes(gzip.compress(jsonl(*({"id": number, "text": "x" * length} for number in range(records)))))
    message = parse_batch(json.dumps(batch(file.as_uri())).encode())
    assert message is not None
    pieces = list(message.records())
    assert [each["id"] for piece, _ in pieces for each in piece] == list(range(records))
    assert len(pieces) > 2
    for piece, size in pieces:
        assert len(piece) <= BATCH_RECORDS
        assert size <= BATCH_BYTES + length + 100


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "1.jsonl")
    message = parse_batch(json.dumps(batch(pipe.as_uri())).encode())
    assert message is not None
    with pytest.raises(SynclineError, match=f"cannot read the batch file '{pipe}': not a regular file"):
        list(message.records())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read the batch file '{path}': No such file or directory"),
        (b'{"id": 1}\n[2]\n', "line 2 of the batch file '{path}': not a record: Expected `object`, got `array`: [2]"),
        (b'{"id": 1}\n\n{"id": 2\n', "line 3 of the batch file '{path}': not a record: Input data was truncated"),
        (b'{"id": 1, "id": 2}', "the batch file '{path}': the name \"id\" stands twice in one object of JSON"),
        (b'{"id": "\xff"}', "line 1 of the batch file '{path}': not a record: "),
        (b'{"id": 1e9999999999999999999}', "line 1 of the batch file '{path}': not a record: "),
        (b'{"id":' * 5000, "line 1 of the batch file '{path}': not a record: values are nested too deeply"),
        (b'{"id": [' + b"1," * 300_000 + b"1]}", "line 1 of the batch file '{path}': the tap sent a message with more"),
        (b'{"text": "' + b"x" * (17 << 20), "line 1 of the batch file '{path}' is a message longer than 16 MiB"),
        (gzip.compress(jsonl({"id": 1}), mtime=0)[:-9], "the batch file '{path}' is damaged: "),
        (gzip.compress(b"", mtime=0) + b"junk", "the batch file '{path}' is damaged: "),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_attempt_with_its_name_and_line(
    scene: Scene, postgres: Postgres, content: bytes | None, complaint: str
) -> None:
    file = scene.directory / "1.jsonl"
    if content is not None:
        file.write_bytes(content)
    told = scene.load(MADE, batch(file.as_uri()), state({"at": 9}))
    subject = "source 'source', collection 'made': line 2 of the tap's output: "
    assert told.failed.error.startswith(subject + complaint.format(path=file))
    assert told.committed == []
    assert postgres.execute("SELECT to_regclass('loaded.made') IS NULL") == [(True,)]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (batch("s3://bucket/1.jsonl"), "a BATCH message names the file 's3://bucket/1.jsonl', but only files on this"),
        (
            batch("file://elsewhere/1.jsonl"),
            "names the file 'file://elsewhere/1.jsonl', but only files on this machine",
        ),
        (batch("1.jsonl"), "names the file '1.jsonl', but only files on this machine are read, by their absolute path"),
        (batch("/1.parquet", format="parquet"), "has files of the format 'parquet', which is not read. In the tap's"),
        (batch("/1.zst", compression="zstd"), "has files with the compression 'zstd', which is not read. In the tap's"),
    ],
)
def test_files_of_other_kinds_are_refused_with_the_setting_to_change(
    scene: Scene, message: dict[str, Any], complaint: str
) -> None:
    told = scene.load(MADE, message, state({"at": 9}))
    assert complaint in told.failed.error
    assert "batch_config" in told.failed.error
    assert not told.failed.retryable


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://AKIA:hunter2@bucket/x.gz?X-Amz-Signature=hunter2", "s3://bucket/x.gz?…"),
        ("https://x.blob.core/a.gz?sv=1&sig=hunter2#hunter2", "https://x.blob.core/a.gz?…"),
        ("ftp://us/er:hunter2@[host/a.gz", "ftp://[host/a.gz"),
        ("file://me:hunter2@host/a.gz", "file://host/a.gz"),
    ],
)
def test_no_secret_of_a_url_is_told(scene: Scene, url: str, shown: str) -> None:
    told = scene.load(MADE, batch(url), state({"at": 9}))
    assert f"names the file '{shown}', but" in told.failed.error
    assert "hunter2" not in str(told.messages)


def test_a_batch_before_its_schema_is_refused(scene: Scene) -> None:
    assert "a BATCH of stream 'made' comes before its SCHEMA" in scene.load(batch("/1.jsonl")).failed.error


def test_files_of_a_stream_that_is_not_wanted_are_not_opened(scene: Scene) -> None:
    other = [MADE | {"stream": "other"}, batch("/nowhere.jsonl", stream="other")]
    assert scene.load(*other, MADE, record(id=1), state({"at": 9})).finished.rows_written == 1
    assert "sent records of 'other', which its catalog does not have" in scene.load(*other).failed.error


def test_a_tap_of_the_sdk_with_batch_config_loads_what_it_loads_without(
    installed: Path, postgres: Postgres, tmp_path: Path
) -> None:
    tap = tmp_path / "small.py"
    tap.write_text(SMALL_TAP)
    [python] = installed.glob("venvs/meltanolabs-tap-postgres-*/bin/python")

    def load(name: str, **config: Any) -> Told:
        source_config = {"command": [str(python), str(tap)], "config": config}
        return run(job(source_config, "orders", postgres, tmp_path / "state", table_name=name))

    files = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": (tmp_path / "made").as_uri()}}
    assert load("rows", orders=500).finished.rows_written == 500
    assert load("batches", orders=500, batch_config=files | {"batch_size": 200}).finished.rows_written == 500
    assert len(list((tmp_path / "made").glob("*.json.gz"))) == 3
    assert postgres.execute("SELECT count(*) FROM loaded.rows JOIN loaded.batches USING (id, at, total, note)") == [
        (500,)
    ]
