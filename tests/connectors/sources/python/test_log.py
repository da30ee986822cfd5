"""What a function writes to `context.log`."""

from __future__ import annotations

from app.connectors.sources.python.source import logger_to


def test_a_message_is_split_at_newlines_only() -> None:
    lines: list[tuple[str, str]] = []
    logger = logger_to(lambda level, line: lines.append((level, line)), redact=lambda line: line)
    logger.warning("first\u2028still first\x0band still\nsecond\r\nthird")
    assert lines == [("warn", "first\u2028still first\x0band still"), ("warn", "second"), ("warn", "third")]
