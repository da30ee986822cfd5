"""A shell completes what people type; whatever a catalogue is like, nothing else appears in their line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from app.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  shop: {type: sql, collections: [orders, {name: order items}, {name: odd%, x: "${env.MISSING}"}, {}, 7]}
  shipping: {type: nonsense}
  "two words": {}
  "$(touch made)": {}
  "st*r": {}
  größe: {collections: {not: a list}}
unknown: true
"""
BROKEN = [
    b"",
    b"sources: [",
    b"sources: {a: *b}",
    b"sources: nowhere.yaml",
    b"sources: https://127.0.0.1:9/sources",
    b"- 1",
    b"5",
    b"\x00\xff\xfe",
    b"sources: {? [a, b] : c, ? {x: y} : z}",
    b"sources: &a [*a]",
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "syncline.yaml"
    path.write_text(CATALOGUE)
    return path


def completed(config: Path, *words: str) -> list[str]:
    """What a shell is told that could stand in the place of the last of the `words`."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli"],
        env=os.environ
        | {
            "_SYNCLINE_COMPLETE": "bash_complete",
            "COMP_WORDS": "\n".join(["syncline", *words]),
            "COMP_CWORD": str(len(words)),
            "SYNCLINE_CONFIG": str(config),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=config.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [word.removeprefix("plain,") for word in done.stdout.split()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sour"], ["sources"]),
        (["sources", "preview", "s"], ["shop", "shipping"]),
        (["run", ""], ["shop", "shipping", "größe"]),
        (["run", "shop", ""], ["orders", "odd%", "7"]),
        (["run", "shop", "orders", "o"], ["orders", "odd%"]),
        (["logs", "sh"], ["shop", "shipping"]),
        (["logs", "shop", "or"], ["orders"]),
        (["tasks", "--source", "ship"], ["shipping"]),
        (["events", "--source", "shop", "--collection", "or"], ["orders"]),
        (["bookmarks", "list", "shop", "or"], ["orders"]),
        (["run", "nothing", ""], []),
        (["run", "größe", ""], []),
    ],
    ids=" ".join,
)
def test_names_are_those_in_the_catalogue(config: Path, words: list[str], expected: list[str]) -> None:
    assert completed(config, *words) == expected


def test_the_catalogue_is_that_of_the_option_and_its_sources_may_be_in_a_file(config: Path) -> None:
    other, sources = config.with_name("other.yaml"), config.with_name("sources.json")
    other.write_text("sources: sources.json\n")
    sources.write_text('{"sources": {"elsewhere": {"collections": ["a"]}}}')
    assert completed(config, "sources", "test", "--config", str(other), "") == ["elsewhere"]
    assert completed(config, "sources", "test", "--config", str(other), "elsewhere", "") == ["a"]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_catalogue_completes_nothing_and_says_nothing(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    assert completed(config, "run", "") == []


def test_neither_does_one_that_is_no_file(config: Path) -> None:
    config.unlink()
    assert completed(config, "run", "") == []
    config.mkdir()
    assert completed(config, "run", "") == []
    config.rmdir()
    os.mkfifo(config)
    assert completed(config, "run", "") == []


def test_bash_completes_with_the_script(config: Path, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "syncline"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m app.cli "$@"\n')
    program.chmod(0o700)
    script = """
        source <(syncline completion bash)
        COMP_WORDS=(syncline sources preview "$1") COMP_CWORD=3
        _syncline_completion syncline
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [bash, "--norc", "-c", script, "bash", "sh"],
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "SYNCLINE_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("shop\nshipping\n", "")


@pytest.mark.parametrize(
    ("shell", "told"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef syncline"), ("fish", "complete --no-files --command syncline")],
)
def test_there_is_a_script_for_each_shell(shell: str, told: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert told in result.stdout
    assert f"_SYNCLINE_COMPLETE={shell}_complete" in result.stdout
