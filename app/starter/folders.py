"""The collections of a directory of files: names that differ only in numbers belong together."""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from app.domain.counts import count
from app.domain.errors import ConfigurationError
from app.starter.names import distinct_names, has_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# What the source `files` knows by name.
_DATA: Final = re.compile(r"(.*?)(\.(?:csv|tsv|jsonl|ndjson|parquet)(?:\.(?:gz|gzip|zip))?)", re.IGNORECASE | re.DOTALL)
_NUMBERS: Final = re.compile(r"[0-9]+")
_NUMBER: Final = "[0-9]*"
_ENDS: Final = " _-."


def is_data_file(name: str) -> bool:
    """Whether the name says that it is CSV, JSONL or Parquet."""
    return _DATA.fullmatch(name) is not None


def collection_of_file(path: Path) -> Mapping[str, Any]:
    """The collection of a file alone."""
    (name,) = distinct_names([stem_of(path.name)], otherwise="file")
    return _collection(name, glob.escape(str(path)))


def collections_in(directory: Path) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """A collection for each group of files, with its `path`, and what was skipped.

    All files of one format in a directory below are a group, however deep they are.

    Raises:
        ConfigurationError: there are none, or the directory cannot be read.
    """
    try:
        names = sorted(each.name for each in directory.iterdir() if not each.name.startswith("."))
        usable = [name for name in names if _can_be_written(name)]
        below = [name for name in usable if (directory / name).is_dir()]
        suffixes = {name: _suffixes_below(directory / name) for name in below}
    except OSError as error:
        raise ConfigurationError(f"{str(directory)!r} cannot be read: {error.strerror}") from error
    files = [name for name in usable if name not in suffixes]
    data = [name for name in files if is_data_file(name)]
    root = glob.escape(str(directory))
    found = [_of_group(root, group, data) for group in _groups(data)]
    for name, endings in suffixes.items():
        found += [_collection(name, f"{root}/{glob.escape(name)}/**/*{ending}") for ending in endings]
    if not found:
        raise ConfigurationError(f"{str(directory)!r} has no CSV, JSONL or Parquet file (.csv, .tsv, .jsonl, .parquet)")
    distinct = distinct_names([each["name"] for each in found], otherwise="files")
    named = tuple({**each, "name": name} for each, name in zip(found, distinct, strict=True))
    return named, tuple(_skipped(directory, others=len(files) - len(data), unnamed=len(names) - len(usable)))


def _skipped(directory: Path, *, others: int, unnamed: int) -> Iterator[str]:
    if others:
        yield f"{count(others, 'file')} in {str(directory)!r}: not CSV, JSONL or Parquet by name"
    if unnamed:
        yield f"{count(unnamed, 'name')} in {str(directory)!r}: a catalogue cannot have them"


def stem_of(name: str) -> str:
    """The name of a data file without what says its format."""
    found = _DATA.fullmatch(name)
    return found[1] if found else name


def _groups(names: Iterable[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stem = stem_of(name)
        groups[_NUMBERS.sub("\0", stem) + name[len(stem) :]].append(name)
    return list(groups.values())


def _of_group(root: str, group: list[str], names: list[str]) -> Mapping[str, Any]:
    if len(group) == 1:
        return _collection(stem_of(group[0]), f"{root}/{glob.escape(group[0])}")
    stem = stem_of(group[0])
    pattern = _NUMBER.join(map(glob.escape, _NUMBERS.split(stem))) + glob.escape(group[0][len(stem) :])
    if any(fnmatchcase(name, pattern) for name in names if name not in group):
        # Files of other groups would be loaded twice.
        return _collection(_NUMBERS.sub("", stem), [f"{root}/{glob.escape(name)}" for name in group])
    return _collection(_NUMBERS.sub("", stem), f"{root}/{pattern}")


def _collection(stem: str, path: str | list[str]) -> Mapping[str, Any]:
    return {"name": stem.strip(_ENDS), "parameters": {"path": path}}


def _can_be_written(name: str) -> bool:
    """Not if the name is no text, or would be replaced."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not has_placeholder(name)


def _suffixes_below(directory: Path) -> list[str]:
    found = set[str]()
    for _, directories, names in os.walk(directory):
        directories[:] = [each for each in directories if not each.startswith(".")]
        found |= {match[2] for name in names if (match := _DATA.fullmatch(name))}
    return sorted(found)
