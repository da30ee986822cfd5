"""Asks a connector in a child process, and waits longer while its package is installed."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from app.domain.attempt_protocol import (
    CatalogShown,
    Checked,
    ColumnTypes,
    ConfigRenewed,
    Counted,
    CountRows,
    DescribeTypes,
    DropTables,
    Failed,
    Finished,
    Installing,
    Offered,
    OwnTable,
    Preview,
    Previewed,
    SecretLearned,
    Specified,
)
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.learned_secrets import LearnedSecrets
from app.domain.redaction import redactor_of
from app.execution.child import AttemptProcess, finish, ignore
from app.execution.masking import Answer, masked
from app.loops import finish_uninterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.config.catalogue import Catalogue
    from app.domain.attempt_protocol import AttemptMessage, LogLine, Question
    from app.domain.redaction import Redactor
    from app.execution.renewals import Renewals

A = TypeVar("A", bound=Answer)

_TIMEOUT_SECONDS: Final = 120.0
# The first check of a connector installs its package. If that were stopped early, the next check would start over.
_INSTALLING_SECONDS: Final = 900.0
# A destination waits up to two minutes for others that use it, and then says so.
_DESTINATION_SECONDS: Final = 180.0
# The first row of a query may take as long as the whole of it.
_PREVIEWING_SECONDS: Final = 600.0
_TELL_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 1.0
# Longer than the two seconds in which a program may end: after them its file is looked at.
_RENEWING_GRACE_SECONDS: Final = 5.0


def say_nothing(_line: str) -> None:
    """For whoever need not know what is being waited for."""


async def answers_to(
    question: Question,
    kind: type[A],
    redacting: Redacting,
    *,
    tell: Callable[[str], None] = say_nothing,
    renewals: Renewals | None = None,
) -> list[A]:
    """All answers of one kind; otherwise as `ask`."""
    answers: list[A] = []
    await ask(question, kind, answers.append, redacting, tell=tell, renewals=renewals)
    return answers


async def ask(
    question: Question,
    kind: type[A],
    receive: Callable[[A], None],
    redacting: Redacting,
    *,
    tell: Callable[[str], None] = say_nothing,
    renewals: Renewals | None = None,
) -> None:
    """Run the connector in a child process, which ends if this is canceled or if `receive` raises.

    `receive` gets each answer of this kind. `tell` gets a line when something is installed, and now and then while it
    waits. `renewals` keeps what the connector renews, however this ends. A connector may repeat any of its settings, so
    `redacting` takes secrets out of answers, lines and errors.

    Raises:
        SynclineError: the process failed, crashed or took too long.
    """
    redact = redacting.text

    def pass_on(answer: Answer) -> None:
        if isinstance(shown := masked(answer, redact, redacting.name), kind):
            receive(shown)

    try:
        await _ask(question, pass_on, tell=lambda line: tell(redact(line)), renewals=renewals)
    except SynclineError as error:
        if (told := redact(str(error))) == str(error):
            raise
        raise (ConfigurationError if isinstance(error, ConfigurationError) else SynclineError)(told) from None


class Redacting(NamedTuple):
    """What takes secrets out of texts, and out of names of tables and fields."""

    text: Callable[[str], str]
    name: Callable[[str], str]

    @classmethod
    def by(cls, redactor: Redactor) -> Redacting:
        return cls(redactor.redact, redactor.redact_name)


def redacting(catalogue: Catalogue, renewals: Renewals | None = None) -> Redacting:
    """Takes out secrets of the catalogue, and those that were renewed by then."""
    known = Redacting.by(redactor_of(catalogue.secrets()))
    if renewals is None:
        return known
    renewed = renewals.redact
    return Redacting(lambda text: known.text(renewed(text)), lambda name: known.name(renewed(name)))


async def _ask(
    question: Question,
    receive: Callable[[Answer], None],
    *,
    tell: Callable[[str], None],
    renewals: Renewals | None,
) -> None:
    child = await AttemptProcess.start(question, os.environ)
    texts = asyncio.create_task(child.free_text(_ignore))
    patience = _Patience(tell)
    if isinstance(question, DropTables | CountRows | DescribeTypes):
        patience = _Patience(tell, whom="the destination", seconds=_DESTINATION_SECONDS)
    elif isinstance(question, Preview):
        patience = _Patience(tell, seconds=_PREVIEWING_SECONDS)
    telling = asyncio.create_task(patience.tell_again())
    try:
        async with patience.clock:
            await _pass_on_answers(child, receive, patience, renewals)
    except TimeoutError:
        raise SynclineError(patience.explain_timeout()) from None
    except asyncio.CancelledError:
        if not _may_renew(renewals):
            child.kill()  # the result is not needed, so it gets no time to clean up
        raise
    finally:
        telling.cancel()
        await finish_uninterrupted(_finish(child, texts, renewals))


async def _finish(child: AttemptProcess, texts: asyncio.Task[None], renewals: Renewals | None) -> None:
    grace = _RENEWING_GRACE_SECONDS if _may_renew(renewals) else _GRACE_SECONDS
    await finish(child, texts, grace_seconds=grace, receive=renewals.note if renewals else ignore)
    if renewals:
        await renewals.keep_noted()


def _may_renew(renewals: Renewals | None) -> bool:
    return renewals is not None and renewals.are_possible


class _Patience:
    """The timeout: for each thing that is checked or dropped, and longer while a package is installed."""

    def __init__(
        self, tell: Callable[[str], None], *, whom: str = "the connector", seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._tell = tell
        self._whom = whom
        self._seconds_for_each = seconds
        self._loop = asyncio.get_running_loop()
        self._installing_until = self._loop.time() + _INSTALLING_SECONDS
        self._installs = ""
        self._since = self._loop.time()
        self.clock = asyncio.timeout(seconds)

    def wait_for_installer(self, packages: str) -> None:
        """Extend the timeout to the end of the time for all installations together."""
        self._installs = packages or "packages"
        self._since = self._loop.time()
        self._tell(f"installing {self._installs}, which may take minutes")
        self.clock.reschedule(self._installing_until)

    def end_installation(self) -> None:
        """Say that it succeeded, and restart the timeout."""
        self._tell(f"installed {self._installs} ({self._seconds})")
        self.begin_again()

    def begin_again(self) -> None:
        """Restart the timeout, after something was checked."""
        self._installs = ""
        self._since = self._loop.time()
        self.clock.reschedule(self._loop.time() + self._seconds_for_each)

    async def tell_again(self) -> None:
        """Say now and then what is being waited for."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            doing = f"installing {self._installs}" if self._installs else f"waiting for {self._whom}"
            self._tell(f"still {doing} ({self._seconds})")

    def explain_timeout(self) -> str:
        if self._installs:
            return f"installing the connector's package took more than {_INSTALLING_SECONDS / 60:.0f} minutes"
        return f"{self._whom} did not answer within {self._seconds_for_each:.0f} seconds"

    @property
    def _seconds(self) -> str:
        return f"{self._loop.time() - self._since:.0f} s"


async def _pass_on_answers(
    child: AttemptProcess, receive: Callable[[Answer], None], patience: _Patience, renewals: Renewals | None
) -> None:
    async for message in _without_learned(child.messages()):
        match message:
            case ConfigRenewed() if renewals:
                renewals.note(message)
                await renewals.keep_noted()
            case Checked() | OwnTable() | Counted() | ColumnTypes():
                patience.begin_again()
                receive(message)
            case Offered() | Previewed() | Specified() | CatalogShown():
                receive(message)
            case Installing(done=False):
                patience.wait_for_installer(message.packages)
            case Installing():
                patience.end_installation()
            case Finished():
                return
            case Failed(retryable=True):
                raise SynclineError(message.error)
            case Failed():
                raise ConfigurationError(message.error)
            case _:
                pass
    raise await _error_without_result(child)


async def _error_without_result(child: AttemptProcess) -> SynclineError:
    code = await child.exit_code()
    if child.was_lost:
        return SynclineError("the process that had forked the connector ended unexpectedly; try again")
    return SynclineError(f"the connector exited with code {code} and sent no result")


async def _without_learned(messages: AsyncIterator[AttemptMessage]) -> AsyncIterator[AttemptMessage]:
    """The messages without the secrets that the process has learned."""
    learned = LearnedSecrets()
    mask = learned.redact
    async for message in messages:
        match message:
            case SecretLearned():
                learned.learn(message.secret)
            case Failed():
                yield msgspec.structs.replace(message, error=mask(message.error))
            case (
                Checked()
                | Offered()
                | OwnTable()
                | Previewed()
                | Specified()
                | CatalogShown()
                | Counted()
                | ColumnTypes()
            ):
                yield masked(message, mask, mask)
            case _:
                yield message


async def _ignore(_line: LogLine) -> None:
    """Drop what the connector prints: there is no task whose log could have it."""
