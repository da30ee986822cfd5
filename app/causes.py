"""Why something failed, in plain words, from the errors of the operating system and of libraries above it."""

from __future__ import annotations

import os
import re
import ssl
from typing import Final

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")


def describe_error(error: BaseException) -> str:
    """The cause in plain words, never empty.

    asyncio reports `[Errno 111] Connect call failed ('::1', 5432, 0, 0)`, once for each address it has tried.
    """
    if isinstance(error, OSError):
        numbers = [error.errno] if error.errno else map(int, _ERRNO.findall(str(error)))
        # The numbers of name resolution are negative, and not the operating system's own.
        reasons = {os.strerror(number) if number > 0 else str(error.strerror) for number in numbers}
        if reasons:
            return ", ".join(reason[:1].lower() + reason[1:] for reason in sorted(reasons))
    return str(error) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)


def describe_cause(error: BaseException) -> str | None:
    """The first cause of `error` that says why a connection failed; libraries report only that it did."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.errno:
            return describe_error(cause)
        cause = cause.__cause__ or cause.__context__
    return None
