"""The bookmark of a connector: exactly the file that its `--state` takes.

That is a list of states, one for each stream or one for all; for old connectors, the last object that they sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from app.connectors.programs.sizes import check_state
from app.connectors.sources.airbyte.messages import NULL, Descriptor, GlobalState, State, StreamState
from app.connectors.values import jsontext
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from app.domain.attempt_protocol import SourceJob

# What a connector sends for a stream without state. With it as a bookmark, the next run would read nothing.
_NO_STATE: Final = ("__ab_full_refresh_sync_complete", "__ab_no_cursor_state_message")
_encode = msgspec.json.Encoder().encode
_decode_list = msgspec.json.Decoder(list[State]).decode


def bookmark_problem(value: Any, _job: SourceJob) -> str | None:
    """Why states cannot be used; None if they can."""
    if isinstance(value, dict):
        return None
    if not isinstance(value, list):
        return "it must be a list of states, or the object of an old connector"
    try:
        for state in _decode_list(jsontext.encode(value)):
            States(None, remembers=lambda _: True).take(state)
    except (msgspec.MsgspecError, SynclineError) as error:
        return f"it is not a list of Airbyte states: {error}"
    return None


class States:
    """The states so far, beginning with `bookmark`; only those of streams for which `remembers` is true are kept."""

    def __init__(self, bookmark: str | None, *, remembers: Callable[[Descriptor], bool]) -> None:
        self._remembers = remembers
        self._legacy: bytes | None = None
        self._global: GlobalState | None = None
        self._streams: dict[Descriptor, StreamState] = {}
        if bookmark is not None:
            self._remember(bookmark)

    def take(self, state: State) -> set[Descriptor] | None:
        """Which streams the state covers, None for all of them.

        Raises:
            SynclineError: its type is unknown, or it is too large.
        """
        if state.type == "GLOBAL" or (state.type is None and state.global_ is not None):
            if state.global_ is None:
                raise SynclineError("the connector sent a global STATE without 'global'")
            self._legacy, self._global = None, self._keep(state.global_)
            return {
                stream.stream_descriptor
                for stream in state.global_.stream_states
                if not _says_nothing(stream.stream_state)
            }
        if state.type == "STREAM" or (state.type is None and state.stream is not None):
            if state.stream is None:
                raise SynclineError("the connector sent a stream STATE without 'stream'")
            return self._take_stream(state.stream)
        if state.type not in (None, "LEGACY"):
            raise SynclineError(f"the connector sent a STATE of unknown type {state.type!r}")
        self._legacy, self._global, self._streams = bytes(state.data), None, {}
        return None

    def bookmark(self) -> str | None:
        """The file for the next run; None if there is nothing to remember."""
        text = self._text()
        if text is None:
            return None
        check_state(text, program="the connector")
        return text.decode()

    def _text(self) -> bytes | None:
        if self._legacy is not None:
            return None if self._legacy in (b"null", b"{}") else self._legacy
        states: list[dict[str, object]] = []
        if self._global is not None:
            states.append({"type": "GLOBAL", "global": self._global})
        states += [{"type": "STREAM", "stream": stream} for stream in self._streams.values()]
        return _encode(states) if states else None

    def _take_stream(self, stream: StreamState) -> set[Descriptor]:
        descriptor = stream.stream_descriptor
        if not self._remembers(descriptor):
            return {descriptor}
        if _says_nothing(stream.stream_state):
            # Its rows stay uncovered.
            self._streams.pop(descriptor, None)
            return set()
        self._legacy, self._streams[descriptor] = None, stream
        return {descriptor}

    def _keep(self, state: GlobalState) -> GlobalState:
        kept = [
            stream
            for stream in state.stream_states
            if self._remembers(stream.stream_descriptor) and not _says_nothing(stream.stream_state)
        ]
        return GlobalState(kept, state.shared_state)

    def _remember(self, bookmark: str) -> None:
        if bookmark.lstrip().startswith("{"):
            self._legacy = bookmark.encode()
            return
        try:
            states = _decode_list(bookmark)
        except msgspec.MsgspecError as error:
            raise SynclineError(f"the bookmark is not an Airbyte state: {error}") from None
        for state in states:
            self.take(state)


def _says_nothing(state: msgspec.Raw) -> bool:
    if state == NULL:
        return True
    try:
        content = msgspec.json.decode(state)
    except (RecursionError, UnicodeDecodeError, msgspec.MsgspecError):
        return False  # reported where it becomes a bookmark
    return isinstance(content, dict) and any(content.get(marker) for marker in _NO_STATE)
