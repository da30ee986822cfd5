"""A Singer tap for tests: numbered records, a STATE after each hundred, slow on demand.

config: {"stream": name, "records": N, "seconds": how long all of them take}, and optionally "at_once": how many of them
one sync has, "keyless": whether they have no key, and "silent": whether it logs nothing. It goes on after the number in
its state.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--config", "--catalog", "--state"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--discover", action="store_true")
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    if arguments.discover:
        say({"streams": [stream(config)]})
        return
    state = json.loads(arguments.state.read_text()) if arguments.state else {}
    copy(config, after=state.get("bookmarks", {}).get(config["stream"], {}).get("id", 0))


def stream(config: dict[str, object]) -> dict[str, object]:
    name, key = str(config["stream"]), [] if config.get("keyless") else ["id"]
    return {
        "tap_stream_id": name,
        "stream": name,
        "schema": {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": ["null", "string"]}}},
        "key_properties": key,
        "metadata": [
            {
                "breadcrumb": [],
                "metadata": {
                    "table-key-properties": key,
                    "valid-replication-keys": ["id"],
                    "inclusion": "available",
                },
            }
        ],
    }


def copy(config: dict[str, object], *, after: int) -> None:
    name, records, seconds = str(config["stream"]), int(str(config["records"])), float(str(config["seconds"]))
    last = min(records, after + int(str(config.get("at_once", records))))
    described = stream(config)
    keys = described["key_properties"]
    say({"type": "SCHEMA", "stream": name, "schema": described["schema"], "key_properties": keys})
    for number in range(after + 1, last + 1):
        say({"type": "RECORD", "stream": name, "record": {"id": number, "text": f"record {number}"}})
        if number % BATCH == 0 or number == last:
            say({"type": "STATE", "value": {"bookmarks": {name: {"id": number}}}})
            if not config.get("silent"):
                sys.stderr.write(f"{number} of {records}\n")
                sys.stderr.flush()
            time.sleep(seconds * BATCH / records)


def say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


main()
