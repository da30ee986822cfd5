"""Signatures, which show whether a file has changed, and the bookmark, which keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from app.connectors.contract.schema import Digits, Kind  # noqa: TC001 -- msgspec reads the annotations
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.attempt_protocol import SourceJob

_ETAGS: Final = ("ETag", "etag")
TIMES: Final = ("mtime_ns", "LastModified", "Last-Modified", "updated", "mtime")
"""Where file systems tell when a file was modified."""
_MASKED: Final = "***"


def signature_of(described: Mapping[str, Any]) -> str | None:
    """The signature of a file, from its description by the file system; None if that has nothing that changes with it.

    An ETag, else the time of the last change, each with the size: a size alone stays when a digit changes.
    """
    size = described.get("size")
    for key in _ETAGS:
        if tag := described.get(key):
            return f"etag {tag} {size}"
    for key in TIMES:
        if (moment := described.get(key)) is not None:
            return f"time {moment.isoformat() if isinstance(moment, datetime) else moment} {size}"
    return None


def bookmark_problem(value: Any, _job: SourceJob) -> str | None:
    """Why a bookmark cannot be used; None if it can."""
    try:
        msgspec.convert(value, Bookmark)
    except msgspec.ValidationError as error:
        return f'it must have the form {{"files": {{"name": "signature"}}}}, with the files that are loaded: {error}'
    return None


def _may_be(masked: str, name: str) -> bool:
    """Whether `name` is the URL of which `masked` hides values of parameters."""
    before, after = urlsplit(masked), urlsplit(name)
    if before._replace(query="") != after._replace(query=""):
        return False
    pairs = parse_qsl(before.query, keep_blank_values=True), parse_qsl(after.query, keep_blank_values=True)
    return len(pairs[0]) == len(pairs[1]) and all(
        key == other and hidden in (_MASKED, value) for (key, hidden), (other, value) in zip(*pairs, strict=True)
    )


class Bookmark(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`files`: name → signature of every loaded file, even if it is gone; `columns`: their kinds.

    `digits` are those of decimals that files declare.
    """

    files: dict[str, str] = {}
    columns: dict[str, Kind] = {}
    digits: dict[str, Digits] = {}

    @classmethod
    def parse(cls, text: str | None) -> Bookmark:
        """Raises ConfigurationError for a bookmark of another kind of source."""
        if text is None:
            return cls()
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            raise ConfigurationError(
                "the bookmark of this collection was written by another kind of source; "
                "give the collection another name"
            ) from None

    def unmask(self, present: Mapping[str, str]) -> bool:
        """Renames files that release 0.1.1 knew by a URL with `***`, where it took an ordinary parameter for a secret.

        `present` are the signatures of the files that are there; an equal one says that it is this file. Returns
        whether there were such files.
        """
        masked = [name for name in self.files if _MASKED in name]
        renamed = False
        for name, signature in present.items() if masked else ():
            if name in self.files:
                continue
            known = next((each for each in masked if self.files[each] == signature and _may_be(each, name)), None)
            if known is not None:
                masked.remove(known)
                self.files[name] = self.files.pop(known)
                renamed = True
        return renamed

    def text(self) -> str:
        return msgspec.json.encode(self).decode()
