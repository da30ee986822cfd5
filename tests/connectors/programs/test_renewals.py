"""The file of a program's configuration: what the program makes of it is never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.programs.renewals import ConfigFile

if TYPE_CHECKING:
    from pathlib import Path


class Interrupted(BaseException):
    """What a signal raises."""


def test_a_report_that_a_signal_interrupts_is_made_at_the_last_look(tmp_path: Path) -> None:
    reported: list[dict[str, Any]] = []
    signals = [Interrupted]

    def renewed(config: dict[str, Any]) -> None:
        if signals:
            raise signals.pop()
        reported.append(config)

    file = ConfigFile(
        tmp_path, "config.json", {"token": "old"}, program="the tap", renewed=renewed, log=lambda _level, _text: None
    )
    file.path.write_text('{"token": "fresh"}')
    with pytest.raises(Interrupted):
        file.look()
    file.look_at_the_end()
    assert reported == [{"token": "fresh"}]
    file.look_at_the_end()
    assert len(reported) == 1
