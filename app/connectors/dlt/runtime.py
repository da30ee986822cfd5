"""dlt in this process, cut off: it reads what it is given, writes into a directory of the attempt, and tells nobody.

dlt looks for settings in the environment, in `.dlt` of the working directory and of the user's home, and in vaults; it
keeps pipelines in the user's home (as root, in /var/dlt), and sends usage statistics. None of it may happen here.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from app.domain.errors import ConfigurationError, SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

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
    # Rows of a load that did not end are found by its id.
    "normalize": {"parquet_normalizer": {"add_dlt_load_id": True}},
    # A job that is tried again after a commit whose answer was lost would double its rows.
    "load": {"raise_on_max_retries": 1},
    # ADBC appends without looking at the types of the columns.
    "disable_adbc_detection": True,
}
_LONGEST_MESSAGE: Final = 2000


def isolate(home: Path) -> None:
    """Once a process, before anything else of dlt; `home` exists and goes with the attempt."""
    directory, working = str(home), os.getcwd()  # noqa: PTH109 -- dlt takes text
    os.environ |= {"DLT_DATA_DIR": directory, "DLT_PROJECT_DIR": directory, "DLT_LOCAL_DIR": working}
    os.environ["DLT_DISABLE_PLUGINS"] = "true"
    from dlt.common.configuration.container import Container  # noqa: PLC0415 -- dlt takes seconds
    from dlt.common.configuration.providers import CustomLoaderDocProvider  # noqa: PLC0415
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext  # noqa: PLC0415
    from dlt.common.runtime.run_context import RunContext  # noqa: PLC0415

    class Isolated(RunContext):
        """The settings are ours and the directories the attempt's; paths of the user's are relative as elsewhere."""

        global_dir = run_dir = data_dir = directory
        local_dir = working

        def initial_providers(self) -> list[Any]:
            return [CustomLoaderDocProvider("Syncline", lambda: _SETTINGS, locations=())]

    Container()[PluggableRunContext] = PluggableRunContext(Isolated(directory))


@contextmanager
def explained(doing: str, *, config: Any) -> Iterator[None]:
    """Turns dlt's errors into Syncline's: its innermost words, without the secrets of `config`."""
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
        permanent = any(isinstance(each, (ConfigurationException, TerminalException)) for each in chain(error))
        raise (ConfigurationError if permanent else SynclineError)(f"{doing}: {told(error, config)}") from None


def told(error: BaseException, config: Any) -> str:
    """The innermost error's words, in one line, secrets masked."""
    *_, innermost = chain(error)
    words = " ".join(str(innermost).split())
    # What follows are all the places in which dlt has looked.
    text = Redactor(secrets_in(config)).redact(words.partition(" for field `")[0]) or type(innermost).__name__
    # Only now: half a secret could not be found any more.
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"


def chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it came from."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__
