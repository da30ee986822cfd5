"""Signed URLs: which parameters are the signature, and so change when the URL is renewed.

What is left when they are gone names the same file. Names of parameters may be in either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class _Scheme:
    """`parts` are the signature if a query has all of `marks`: alone, `expires` or `st` may mean anything."""

    marks: frozenset[str]
    parts: frozenset[str]


def _scheme(marks: str, parts: str = "") -> _Scheme:
    return _Scheme(frozenset(marks.split()), frozenset(f"{marks} {parts}".split()))


# https://learn.microsoft.com/rest/api/storageservices/create-service-sas, and of users and accounts
_AZURE: Final = (
    "sv st se sr sp spr sip si ss srt ses sdd saoid suoid scid sduoid skoid sktid skt ske sks skv skdutid "
    "rscc rscd rsce rscl rsct"
)
# Of Amazon's version 2, which Google, Alibaba and others have taken over.
_EXPIRES: Final = "awsaccesskeyid googleaccessid ossaccesskeyid accesskeyid security-token securitytoken"
_SCHEMES: Final = (
    _scheme("sig"),
    _scheme("sig se", _AZURE),
    _scheme("sig sv", _AZURE),
    _scheme("signature"),
    _scheme("signature expires", _EXPIRES),
    # CloudFront, and Google's Cloud CDN
    _scheme("signature key-pair-id", "expires policy hash-algorithm"),
    _scheme("signature keyname", "expires urlprefix"),
    _scheme("x-amz-signature", "x-id"),
    _scheme("q-signature", "q-sign-algorithm q-ak q-sign-time q-key-time q-header-list q-url-param-list"),
    _Scheme(frozenset({"token", "expires"}), frozenset({"expires"})),
)
# Amazon's version 4, and what others have made of it.
_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-", "x-obs-", "x-cos-", "x-tos-")


def signature_parts(names: Iterable[str]) -> frozenset[str]:
    """Those of `names`, decoded names of a query's parameters, that are the signature."""
    lower = {name: name.lower() for name in names}
    present = frozenset(lower.values())
    parts = frozenset[str]().union(*(scheme.parts for scheme in _SCHEMES if scheme.marks <= present))
    return frozenset(name for name, plain in lower.items() if plain in parts or plain.startswith(_PREFIXES))
