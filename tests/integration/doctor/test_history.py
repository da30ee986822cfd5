"""What the doctor says of sealed weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.doctor import history
from tests.integration.doctor.looking import installation_at, look_once

if TYPE_CHECKING:
    from tests.harness import Store

SEAL = """
INSERT INTO syncline.seals (number, week, before, events, streams, root, replaces, archived, sealed_at, previous, seal)
VALUES (1, '2026-11-23', '2026-11-30', 0, 0, '', '{}', false, now(), '', '')
"""


async def test_weeks_that_are_not_archived_are_a_warning_and_those_that_differ_a_failure(
    store: Store, database_url: str
) -> None:
    found = await look_once(history.look_at_seals, installation_at(database_url))
    assert found == ("seals", "ok", "0 weeks sealed", "")
    await store.admin.execute(SEAL)
    found = await look_once(history.look_at_seals, installation_at(database_url))
    assert found == ("seals", "ok", "1 week sealed, the newest of the week 2026-11-23", "")
    await store.admin.execute("UPDATE syncline.retention SET unarchived_weeks = '{2026-11-16,2026-11-23}'")
    _, state, text, remedy = await look_once(history.look_at_seals, installation_at(database_url))
    assert (state, text) == ("warn", "retention keeps 2 weeks that are not archived: 2026-11-16, 2026-11-23")
    assert "archive.failed" in remedy
    await store.admin.execute("UPDATE syncline.retention SET differing_weeks = '{2026-11-23}'")
    _, state, text, remedy = await look_once(history.look_at_seals, installation_at(database_url))
    assert state == "fail"
    assert text == "retention keeps 1 week whose events are not as they were sealed: 2026-11-23"
    assert remedy.startswith("Run 'syncline events verify'")
