"""Configures logging to standard error: one line per event, readable on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from app.domain.learned_secrets import LearnedSecrets
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

    from app.config.settings import Settings

# A worker learns a new token for each login, and the server soon refuses the old ones.
_learned = LearnedSecrets(kept=8)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def mask_in_logs(secret: str) -> None:
    """Mask a secret in all lines of this process from now on, until eight others have followed."""
    _learned.learn(secret)


def configure_logs(settings: Settings) -> None:
    """Write structlog's events and the messages of libraries to standard error in the same format."""
    level = _LEVELS[settings.log_level]
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    stamps = (structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True))
    # Plain tracebacks: the others print local variables, which may contain a source's secrets.
    renderers = [
        structlog.processors.format_exc_info,
        _mask_learned,
        *([_escape_texts, _console_renderer()] if console else [structlog.processors.JSONRenderer()]),
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *stamps, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *stamps],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[libraries])
    # At an outage it warns with a traceback for every connection; what needs one says so itself, in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def _mask_learned(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _learned.redact(value)
    return event


def _console_renderer() -> structlog.dev.ConsoleRenderer:
    """It quotes all values, so that none can pretend to be another key, and escapes what is invisible in them."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, repr_native_str=True)


def _escape_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What the renderer prints as it is: a request's path or a file's name may hold commands for a terminal."""
    event["event"] = make_visible(str(event.get("event", "")).strip())
    for key in ("exception", "stack"):
        if key in event:
            event[key] = "\n".join(map(make_visible, str(event[key]).split("\n")))
    return event
