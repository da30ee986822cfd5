"""Isolates dlt: it reads only what it is given, writes only to the attempt's directory, and sends no statistics.

By default dlt looks for settings in the environment, in `.dlt` of the working directory and of the user's home, and in
vaults; it keeps pipelines in the user's home (as root, in /var/dlt), and sends usage statistics.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.refusals import is_login_refusal
from app.domain.errors import ConfigurationError, LoginRefusedError, SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in
from app.domain.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST_ATTEMPTS: Final = 6
_SETTINGS: Final[dict[str, Any]] = {
    "providers": {"enable_airflow_secrets": False, "enable_google_secrets": False, "enable_aws_secrets": False},
    "runtime": {
        "dlthub_telemetry": False,
        "log_level": "WARNING",
        "log_format": "{message}",
        # The attempt's own handler of SIGTERM stays.
        "intercept_signals": False,
        "request_max_attempts": REQUEST_ATTEMPTS,
    },
    "pipelines": {"restore_from_destination": False, "enable_runtime_trace": False},
    # The load id finds the rows of an unfinished load.
    "normalize": {"parquet_normalizer": {"add_dlt_load_id": True}},
    # If the answer to a commit is lost, a retry of the job would duplicate its rows.
    "load": {"raise_on_max_retries": 1},
    # ADBC appends without checking column types.
    "disable_adbc_detection": True,
}
_LONGEST_MESSAGE: Final = 2000
# An object of dlt in its messages, of which only the name says anything to a user.
_RESOLVED_PARAMETER: Final = re.compile(r"ResolvedParam\(param_name='([^']*)', resolve_config=.*?, field_path=.*?\)\)")


def isolate(home: Path) -> None:
    """Call once per process, before anything else of dlt; `home` exists and is removed with the attempt."""
    directory, working = str(home), os.getcwd()  # noqa: PTH109 -- dlt takes text
    os.environ |= {"DLT_DATA_DIR": directory, "DLT_PROJECT_DIR": directory, "DLT_LOCAL_DIR": working}
    os.environ["DLT_DISABLE_PLUGINS"] = "true"
    from dlt.common.configuration.container import Container  # noqa: PLC0415 -- dlt takes seconds
    from dlt.common.configuration.providers import CustomLoaderDocProvider  # noqa: PLC0415
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext  # noqa: PLC0415
    from dlt.common.runtime.run_context import RunContext  # noqa: PLC0415

    class Isolated(RunContext):
        """Our settings and the attempt's directories; the user's paths stay relative to the working directory."""

        global_dir = run_dir = data_dir = directory
        local_dir = working

        def initial_providers(self) -> list[Any]:
            return [CustomLoaderDocProvider("Syncline", lambda: _SETTINGS, locations=())]

    Container()[PluggableRunContext] = PluggableRunContext(Isolated(directory))


@contextmanager
def translate_errors(doing: str, *, config: Any, permanent: bool = False, may_change: bool = False) -> Iterator[None]:
    """Turns dlt's errors into Syncline's: the innermost message, without the secrets of `config`.

    They are a `ConfigurationError` if dlt says so, or all of them if `permanent`. A refused login is none if the next
    attempt may have another password (`may_change`).
    """
    from dlt.common.configuration.exceptions import ConfigurationException  # noqa: PLC0415
    from dlt.common.exceptions import MissingDependencyException, TerminalException  # noqa: PLC0415

    try:
        yield
    except SynclineError:
        raise
    except MissingDependencyException as error:
        needed = ", ".join(f"pip install '{each}'" for each in error.dependencies)
        raise ConfigurationError(f"{doing}: {error.caller} needs packages that are not installed: {needed}") from None
    except Exception as error:  # noqa: BLE001 -- each driver has errors of its own
        permanent = permanent or any(
            isinstance(each, (ConfigurationException, TerminalException)) for each in chain(error)
        )
        message = f"{doing}: {describe_error(error, config)}"
        if may_change and is_login_refusal(message):
            raise LoginRefusedError(message) from None
        raise (ConfigurationError if permanent else SynclineError)(message) from None


def describe_error(error: BaseException, config: Any) -> str:
    """The innermost error's message, in one line, with secrets masked."""
    from dlt.common.exceptions import DictValidationException  # noqa: PLC0415 -- dlt takes seconds

    *_, innermost = chain(error)
    if isinstance(innermost, DictValidationException):
        # It quotes the values, with the first and the last character of secrets.
        return f"{innermost.path.removeprefix('./')}: the key {innermost.field!r} is not valid"
    message = " ".join(str(innermost).split())
    if isinstance(innermost, (AttributeError, LookupError, TypeError)):
        message = f"{type(innermost).__name__}: {message}"  # these do not say by themselves what went wrong
    # The rest lists all places where dlt has looked.
    message = _RESOLVED_PARAMETER.sub(r"\1", message.partition(" for field `")[0])
    text = Redactor(secrets_in(config)).redact(message) or type(innermost).__name__
    return shortened(text, _LONGEST_MESSAGE)


def chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__
