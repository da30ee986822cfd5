"""Which names of keys, variables and parameters say that the value is a secret."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(
    r"passw(or)?d|passphrase|(^|_)(pw|pwd|pass|pat|dsn|auth|authorization|bearer|signature|sig)($|_)"
    # Only at the end: what else is about a cookie or a JWT, such as `cookie_domain`, is not secret.
    r"|(^|_)(jwt|t?otp|cookies?)$|sess(ion)?_?id$"
    r"|secret|token|credential|connection_string|(^|_)keys?($|_)|(api|private|access|account|auth)key",
)
# Each by name: `stripe_key`, `consumer_key` and the `routing_key` of PagerDuty are secrets.
_KEYS_OF_ROWS: Final = (
    "primary|foreign|partition|cluster|sort|merge|replication|cursor|unique|dedup\\w*|natural|composite|surrogate|"
    "business|redis|hash|range|row|record|join|lookup|group|order|shard|dist|distribution|object|message|cache"
)
_ORDINARY: Final = re.compile(
    # What follows may say that it is a secret all the same, as in `order_key_secret`; bounded, to take linear time.
    rf"(^({_KEYS_OF_ROWS})_keys?(?=_|$)|max_tokens|token_(count|limit)|page_token_option)"
    rf"(?!.{{0,60}}({_SECRET.pattern}))"
    r"|(^|_)key_(properties|fields?|columns?|names?|patterns?|schema|file|path|prefix|suffix)$"
    r"|_(type|url|uri|method|file|path|name|command|policy|expiry|expires?\w*)$|^type$"
)
_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS: Final = str.maketrans("- .", "___")


def is_secret_name(name: str) -> bool:
    """Whether a key or variable with this name contains a secret."""
    plain = _plain(name)
    return "webhook" in plain or (bool(_SECRET.search(plain)) and not _ORDINARY.search(plain))


def is_secret_option(word: str) -> bool:
    """Whether a command's argument, such as `--password`, says that the next one is a secret."""
    return word.startswith("-") and "=" not in word and is_secret_name(word.lstrip("-"))


def is_name_of_secret_command(name: str) -> bool:
    """Whether a key with this name has a command that prints a secret, such as `password_command`."""
    plain = _plain(name)
    return plain.endswith("_command") and is_secret_name(plain.removesuffix("_command"))


def is_ordinary_name(name: str) -> bool:
    """Whether a value with this name is no secret even where all around it is one."""
    return bool(_ORDINARY.search(_plain(name)))


def _plain(name: str) -> str:
    return _CAMEL_HUMP.sub("_", name).translate(_SEPARATORS).lower()
