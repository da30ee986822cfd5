"""How a connector logs in: a password that can be read again is read again when a server refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.connectors.contract.passes import MaskingLog
from app.connectors.options.passwords import PasswordProgram
from app.domain.errors import ConfigurationError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.contract.passes import Log
    from app.connectors.options.passwords import PasswordCommand

T = TypeVar("T")


class Login:
    """A `fixed` password (None: the driver's own, or that of a URL), or one that `command` prints.

    `may_change` says whether a fixed one is read again for the next attempt, because it was in a file.
    """

    def __init__(self, fixed: str | None, command: PasswordCommand | None, *, may_change: bool, log: Log) -> None:
        self._given = fixed
        self._may_change = may_change or command is not None
        learn = log.mask if isinstance(log, MaskingLog) else _keep
        self._program = PasswordProgram(command, key="password_command", learn=learn) if command else None

    @property
    def asks(self) -> bool:
        """Whether a program is asked for the password."""
        return self._program is not None

    def password(self) -> str | None:
        """The password for a connection that is about to open.

        Raises:
            ConfigurationError: the program that prints it cannot be started.
            SynclineError: the program printed none.
        """
        if self._program is not None:
            self._given = self._program.read()
        return self._given

    def connect(self, connect: Callable[[], T]) -> T:
        """Call `connect`, and once more with another password if the login is refused and a program prints it.

        Raises:
            ConfigurationError: the login is refused, and will be.
            LoginRefusedError: the login is refused for now.
        """
        try:
            return connect()
        except LoginRefusedError as error:
            if self._program is None:
                raise self.refusal(error) from None
            self._program.forget(self._given)
        try:
            return connect()
        except LoginRefusedError as error:
            raise self.refusal(error) from None

    def refusal(self, why: object) -> LoginRefusedError | ConfigurationError:
        """The error for a refused login: it is lasting if the password cannot change."""
        return (LoginRefusedError if self._may_change else ConfigurationError)(str(why))


def _keep(_password: str) -> None:
    """For a log that masks nothing."""
