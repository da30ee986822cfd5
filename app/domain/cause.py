"""Who caused an event, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_NOTE: Final = 1000

NOTE_PATTERN: Final = r"^[^\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"
"""As JSON Schema has it: line breaks, but no other control characters, nor what turns the direction of writing."""

NOTE_FORM: Final = f"at most {LONGEST_NOTE} characters, without control characters other than line breaks"

ActorKind: TypeAlias = Literal["token", "proxy", "command", "database"]
"""Where a name comes from: the API's token, the header of a trusted proxy, the user of a command line, or a login of
the database that has called `syncline.request_sync`."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program, by name. How far the name can be trusted depends on where it comes from."""

    kind: ActorKind
    name: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Who caused an event, if a person or program asked for it, and the note that they left.

    `imported_from` is the program whose data they have taken over; no request can say that.
    """

    who: Actor | None = None
    note: str | None = None
    imported_from: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The fields of the event's data; none of what is not known."""
        who = {"kind": self.who.kind, "name": self.who.name} if self.who else None
        fields = {"who": who, "note": self.note, "imported_from": self.imported_from}
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Cause:
        """The cause that an event's data has."""
        who = data.get("who")
        actor = Actor(who["kind"], who["name"]) if who else None
        return cls(actor, data.get("note"), data.get("imported_from"))


NO_CAUSE = Cause()
"""Of what Syncline does by itself."""

_NOTE: Final = re.compile(NOTE_PATTERN)


def read_note(text: str) -> str:
    """The note, with line breaks as Unix has them.

    Raises:
        ValueError: it is not as `NOTE_FORM` says.
    """
    if len(text) > LONGEST_NOTE or not _NOTE.fullmatch(text):
        raise ValueError("not a note")
    text.encode()  # lone surrogates raise
    return text.replace("\r\n", "\n").replace("\r", "\n")
