"""The types of sources that Jitsu Classic (v1.44.8) runs as programs, with one collection for all streams."""

from __future__ import annotations

from typing import Final

PROGRAMS: Final = {"singer": "tap", "airbyte": "docker_image"}
"""For each type, the option with its program, which only Classic's users write."""
