"""`binary_copy.py URL`: the table `made` into `loaded.made`, from one binary COPY into another by psycopg."""

from __future__ import annotations

import sys

import psycopg


def main(url: str) -> None:
    with psycopg.connect(url) as source, psycopg.connect(url) as target:
        target.execute("CREATE SCHEMA loaded")
        target.execute("CREATE TABLE loaded.made (LIKE public.made)")
        with (
            source.cursor().copy("COPY made TO STDOUT (FORMAT binary)") as reading,
            target.cursor().copy("COPY loaded.made FROM STDIN (FORMAT binary)") as writing,
        ):
            for data in reading:
                writing.write(data)


main(*sys.argv[1:])
