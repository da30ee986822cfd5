"""What programs have renewed of their configuration: given to them the next time, and kept as soon as they say so."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import structs

from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.programs.documents import read_document
from app.connectors.values import jsontext
from app.domain.attempt_protocol import Backfill, Check, ConfigRenewed, Discover, Preview, ShowCatalog, Sync
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.redaction import Redactor
from app.domain.renewal import Owner, Renewal
from app.domain.secret_values import renewed_secrets, secrets_in
from app.execution.sealing import OutdatedError, Sealer, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from app.domain.attempt_protocol import AttemptMessage, Level
    from app.domain.renewal import SealedConfig

    Find = Callable[[Collection[Owner]], Awaitable[Mapping[Owner, Sequence[SealedConfig]]]]
    Keep = Callable[[Renewal], Awaitable[None]]
    Tell = Callable[[Level, str], Awaitable[None]]

Job = TypeVar("Job", bound=Sync | Backfill | Check | Discover | ShowCatalog | Preview)

_WITHOUT_KEY: Final = (
    "which are not kept, because 'server.secret_key' is not set. If the old ones are no longer valid, the next attempt "
    "fails: set 'server.secret_key' to what 'openssl rand -base64 32' prints, and write new credentials into the "
    "catalogue"
)


class NotKeptError(SynclineError):
    """A renewal cannot be kept; the message says why."""


class Renewals:
    """The renewals of one attempt, or of one check or discovery."""

    def __init__(self, *, find: Find, keep: Keep, tell: Tell) -> None:
        """`tell` gets lines about what was renewed, without secrets."""
        self._sealer = Sealer(())
        self._find = find
        self._keep = keep
        self._tell = tell
        self._written: dict[Owner, dict[str, Any]] = {}
        self._unkept: deque[tuple[Renewal, bool]] = deque()
        self._number = 0
        self._secrets: frozenset[str] = frozenset()
        self._redactor = Redactor(())

    async def lay_over(self, job: Job, keys: Sequence[str]) -> Job:
        """Add to `job` what its programs have renewed earlier, if that was made of what the catalogue says today.

        Encrypt with the first of the secret `keys`, decrypt with any.
        """
        # In a thread, because a file may be on a slow file system.
        job, self._written = await asyncio.to_thread(read_configs, job)
        if not self._written:
            return job
        self._sealer = Sealer(keys)
        found = await self._find([*self._written])
        renewed = {owner: text for owner, kept in found.items() if (text := await self._open(owner, kept))}
        for owner, text in renewed.items():
            self._hide(owner, text)
        sources = [text for owner, text in renewed.items() if owner.role == "source"]
        laid_over = structs.replace(job, renewed_config=sources[0]) if sources else job
        if isinstance(laid_over, Sync | Backfill):
            settings = {owner.name: text for owner, text in renewed.items() if owner.role == "destination"}
            return structs.replace(laid_over, renewed_settings=settings)
        return laid_over

    @property
    def are_possible(self) -> bool:
        """Whether a program of the job may renew its configuration."""
        return bool(self._written)

    def note(self, message: AttemptMessage) -> None:
        """Hide the new secrets from now on, and remember the renewal until it is kept; other messages are ignored."""
        if not isinstance(message, ConfigRenewed):
            return
        owner = self._owner_of(message)
        if owner is None:
            return
        new = self._hide(owner, message.config)
        self._number += 1
        sealed = self._sealer.seal(owner, message.config, written=self._written[owner])
        self._unkept.append((Renewal(owner=owner, number=self._number, at=time.monotonic(), config=sealed), new))

    async def keep_noted(self) -> None:
        """Keep what was noted. Call it again if it was canceled or has failed: nothing is kept twice."""
        while self._unkept:
            renewal, new = self._unkept[0]
            try:
                await self._keep(renewal)
                line = _describe(renewal, new_secrets=new)
            except NotKeptError as error:
                line = "warn", f"{_what_happened(renewal)}, and the new one is lost: {error}"
            self._unkept.popleft()
            await self._tell(*line)

    def redact(self, text: str) -> str:
        """`text` without the secrets that were renewed."""
        return self._redactor.redact(text)

    async def _open(self, owner: Owner, kept: Sequence[SealedConfig]) -> str | None:
        """Decrypt the newest of `kept` that was made of what the catalogue says today."""
        unreadable: UnreadableError | None = None
        for sealed in kept:
            try:
                text = self._sealer.open(owner, sealed, written=self._written[owner])
            except OutdatedError:
                continue
            except UnreadableError as error:
                unreadable = unreadable or error
                continue
            if unreadable:
                why = f"an earlier renewal of its configuration is used, not the latest, because {unreadable}"
                await self._tell("warn", f"{_named(owner)}: {why}")
            return text
        await self._tell(*_why_none_is_used(owner, unreadable))
        return None

    def _owner_of(self, message: ConfigRenewed) -> Owner | None:
        for owner in self._written:
            if (owner.name if owner.role == "destination" else None) == message.destination:
                return owner
        return None

    def _hide(self, owner: Owner, config: str) -> bool:
        """Hide the secrets of a renewed configuration; returns whether there are new ones."""
        written = self._written[owner]
        before = self._secrets | secrets_in(written)
        self._secrets = before | renewed_secrets(jsontext.decode(config), written)
        self._redactor = Redactor(self._secrets)
        return self._secrets != before


def _describe(renewal: Renewal, *, new_secrets: bool) -> tuple[Level, str]:
    what = _what_happened(renewal)
    if renewal.config is not None:
        return "info", f"{what}: it is kept for the next attempts"
    if new_secrets:
        return "warn", f"{what}: it has new credentials, {_WITHOUT_KEY}"
    return "info", f"{what}: it is not kept, because 'server.secret_key' is not set"


def _why_none_is_used(owner: Owner, unreadable: UnreadableError | None) -> tuple[Level, str]:
    if unreadable is None:
        return "info", (
            f"{_named(owner)}: its configuration in the catalogue was changed after its connector had renewed it, so "
            "the one in the catalogue is used"
        )
    return "warn", (
        f"{_named(owner)}: the configuration in the catalogue is used, not the one that its connector has renewed, "
        f"because {unreadable}; or write new credentials into the catalogue"
    )


def _what_happened(renewal: Renewal) -> str:
    if renewal.owner.role == "destination":
        return f"destination {renewal.owner.name!r}: the target renewed its configuration"
    return "the connector renewed its configuration"


def _named(owner: Owner) -> str:
    return f"{owner.role} {owner.name!r}"


def read_configs(job: Job) -> tuple[Job, dict[Owner, dict[str, Any]]]:
    """Read each configuration that a program of `job` may renew, and put its text into the job in place of a file.

    What is kept belongs to the text that was read here, so the program must not get one that was changed meanwhile.
    """
    written: dict[Owner, dict[str, Any]] = {}
    kind = SOURCES.get(job.source_type)
    source = _read(job.source_config, kind.renews if kind else "", Owner("source", job.source), written)
    read = structs.replace(job, source_config=source)
    if isinstance(read, Sync | Backfill):
        destinations = {
            name: _read(described, DESTINATIONS[described["type"]].renews, Owner("destination", name), written)
            for name, described in read.destinations.items()
        }
        return structs.replace(read, destinations=destinations), written
    return read, written


def _read(options: dict[str, Any], key: str, owner: Owner, written: dict[Owner, dict[str, Any]]) -> dict[str, Any]:
    if not key:
        return options
    try:
        written[owner] = read_document(options.get(key) or {}, key)
    except ConfigurationError:
        # The attempt fails with the same error, and says whose it is.
        return options
    return options | {key: jsontext.encode(written[owner])} if isinstance(options.get(key), str) else options
