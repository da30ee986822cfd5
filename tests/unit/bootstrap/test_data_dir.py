"""A data directory that takes no files is one clear error, before anything relies on it."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from app.bootstrap.data_dir import prepare_data_dir
from app.cli.main import cli
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534

CATALOGUE = """
sources:
  load: {type: synthetic, destinations: [nowhere], collections: [ticks]}
destinations:
  nowhere: {type: none}
"""


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        prepare_data_dir(path)
    return str(raised.value)


def test_a_missing_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "below"):
        assert refusal(path) == (
            f"cannot write to the data directory '{path}': Not a directory; set SYNCLINE_DATA_DIR (or --data of "
            "'syncline dev') to a directory that this user can write to, on a disk with free space"
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_directory_of_another_user_is_named(tmp_path: Path) -> None:
    with as_nobody():
        assert f"'{tmp_path}': Permission denied; set SYNCLINE_DATA_DIR" in refusal(tmp_path)


def test_a_disk_that_takes_no_data_is_named(tmp_path: Path) -> None:
    with no_room_for_data():
        assert f"'{tmp_path}': {os.strerror(errno.EFBIG)}; set SYNCLINE_DATA_DIR" in refusal(tmp_path)


@pytest.mark.parametrize("arguments", [("worker",), ("sources", "test", "load"), ("sources", "discover", "load")])
def test_every_command_that_needs_it_exits_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    catalogue = tmp_path / "syncline.yaml"
    catalogue.write_text(CATALOGUE)
    result = CliRunner().invoke(
        cli,
        [*arguments, "--config", str(catalogue)],
        env={"SYNCLINE_DATA_DIR": str(catalogue / "data"), "DATABASE_URL": "postgresql://127.0.0.1:1/none"},
    )
    assert result.exit_code == 2, result.output
    assert f"syncline: cannot write to the data directory '{catalogue}/data': Not a directory" in result.stderr


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def no_room_for_data() -> Iterator[None]:
    """Files can be made and stay empty, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
