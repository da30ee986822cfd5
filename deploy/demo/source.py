"""The demo's source: the tables of nycflights13 in a PostgreSQL database, with weather that goes on arriving."""

from __future__ import annotations

import gzip
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.config.settings import read_settings
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

DATABASE = "nycflights13"
FILES = Path(__file__).parent / "data"

# Column order is the files'; where they say NA, the table has null.
TABLES: dict[LiteralString, LiteralString] = {
    "airlines": """
        carrier text PRIMARY KEY,
        name text NOT NULL
    """,
    "airports": """
        faa text PRIMARY KEY,
        name text NOT NULL,
        lat double precision NOT NULL,
        lon double precision NOT NULL,
        alt integer NOT NULL,
        tz integer NOT NULL,
        dst text NOT NULL,
        tzone text
    """,
    "planes": """
        tailnum text PRIMARY KEY,
        year integer,
        type text NOT NULL,
        manufacturer text NOT NULL,
        model text NOT NULL,
        engines integer NOT NULL,
        seats integer NOT NULL,
        speed integer,
        engine text NOT NULL
    """,
    "weather": """
        origin text,
        year integer NOT NULL,
        month integer NOT NULL,
        day integer NOT NULL,
        hour integer NOT NULL,
        temp double precision,
        dewp double precision,
        humid double precision,
        wind_dir integer,
        wind_speed double precision,
        wind_gust double precision,
        precip double precision NOT NULL,
        pressure double precision,
        visib double precision NOT NULL,
        time_hour timestamptz,
        PRIMARY KEY (origin, time_hour)
    """,
}

# Whole days, because a bookmark on time_hour would pass over rows that arrive behind it.
ARRIVE: LiteralString = """
    INSERT INTO weather
    SELECT arriving.*
    FROM all_weather AS arriving, (SELECT max(time_hour) AS newest FROM weather) AS known
    WHERE arriving.time_hour > coalesce(newest, '-infinity')
      AND arriving.time_hour < coalesce(
          date_trunc('day', newest, 'UTC') + interval '8 days', timestamptz '2013-07-01 00:00+00')
    ORDER BY arriving.time_hour, arriving.origin
"""


def load(server_url: str, *, database: str = DATABASE) -> str:
    """Make the source on its first call; on every later call let seven more days of weather arrive.

    `server_url` names any database of the server; its user must be able to create `database`, or to write to one that
    is there already. Returns a sentence for the terminal. Raises `psycopg.Error`; nothing is half-loaded then.
    """
    create_database(server_url, database)
    with psycopg.connect(server_url, dbname=database) as connection:
        # Starts at the same time come one after the other.
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('nycflights13', 0))")
        is_new = connection.execute("SELECT to_regclass('weather') IS NULL").fetchone() == (True,)
        if is_new:
            create_tables(connection)
        arrived = let_weather_arrive(connection)
        row = connection.execute(
            "SELECT count(*), to_char(max(time_hour) AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM weather"
        )
        total, day = row.fetchone() or (0, "")
    if is_new:
        return f"{database}: loaded airlines, airports, planes and {total} rows of weather, up to {day}"
    if arrived:
        return f"{database}: {arrived} new rows of weather, up to {day}"
    return f"{database}: all {total} rows of weather are there, nothing new can arrive"


def create_database(server_url: str, database: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # another start was faster


def create_tables(connection: Connection) -> None:
    for table, columns in TABLES.items():
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(table), sql.SQL(columns)))
        if table != "weather":
            copy_file(connection, name=table, into=table)


def let_weather_arrive(connection: Connection) -> int:
    connection.execute("CREATE TEMPORARY TABLE all_weather (LIKE weather) ON COMMIT DROP")
    copy_file(connection, name="weather", into="all_weather")
    return connection.execute(ARRIVE).rowcount


def copy_file(connection: Connection, *, name: str, into: str) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER true, NULL 'NA')").format(sql.Identifier(into))
    with connection.cursor().copy(statement) as copy, gzip.open(FILES / f"{name}.csv.gz") as file:
        while block := file.read(1 << 16):
            copy.write(block)


@contextmanager
def server() -> Iterator[str]:
    """The URL of the server that `syncline dev` will use: DATABASE_URL's, else the embedded one, started or joined."""
    settings = read_settings()
    if settings.database_url:
        yield settings.direct_url or settings.database_url
        return
    with EmbeddedPostgres(settings.data_dir / "postgres") as postgres:
        yield postgres.url


def main() -> None:
    try:
        with server() as url:
            print(load(url), flush=True)  # the demo replaces this program, and its buffers with it
    except (SynclineError, psycopg.Error) as error:
        reason = " ".join(str(error).split())
        print(f"syncline: the source database {DATABASE} could not be made: {reason}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
