"""The pipes from an attempt, on both kinds of event loops."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
import uvloop

from app.execution.child import _Pipe

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("run", "closes_itself"), [(asyncio.run, True), (uvloop.run, False)])
def test_a_pipe_is_closed_once(run: Callable[..., None], *, closes_itself: bool) -> None:
    """A second time would close what another thread has opened meanwhile under the same number."""

    async def open_and_close() -> None:
        pipe = await _Pipe.open()
        file = pipe._transport.get_extra_info("pipe")
        descriptor = file.fileno()
        assert file.closefd is closes_itself
        pipe.close()
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    run(open_and_close())
