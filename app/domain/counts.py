"""Numbers of things in plain English."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """`1 source`, `2 sources`, `1,200 sources`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
