"""What PostgreSQL does not change or drop: the error names what is in the way, and what it advises helps."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.connectors.contract.schema import Kind, Table
from app.connectors.destinations.postgres.columns import TYPES
from app.connectors.destinations.postgres.connection import PostgresSession, connect, translate_errors
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.destinations.postgres.tables import PostgresTables
from app.connectors.warehouse.changes import take
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode
from tests.connectors.attempts import unheard

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.connectors.attempts import Postgres

MADE = "CREATE TABLE loaded.made (id bigint, v bigint)"
QUOTED = '"loaded"."made"'
PARENT = "CREATE TABLE loaded.parent (id bigint, v bigint NOT NULL)"
FUNCTION = "CREATE FUNCTION loaded.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"


@dataclass
class Warehouse:
    postgres: Postgres

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.postgres.execute(statement)

    def change(self, what: str) -> None:
        options = PostgresDestinationOptions.model_validate(self.postgres.options())
        with closing(connect(options, application_name="test", log=unheard)) as connection:
            tables = PostgresTables(PostgresSession(connection), schema="loaded", naming="as_is")
            with translate_errors("cannot prepare"), connection.transaction():
                CHANGES[what](tables)

    def refusal(self, what: str) -> str:
        with pytest.raises(ConfigurationError) as refused:
            self.change(what)
        return str(refused.value)


def retyping(type_: str) -> Callable[[PostgresTables], None]:
    return lambda tables: take([tables._retyping(QUOTED, TYPES.column("v", "bigint"), type_)])


def drop_keys(tables: PostgresTables) -> None:
    for index in tables._unique_indexes(QUOTED):
        take(tables._dropping_unique(QUOTED, index))


KEYED = Table("made", {"v": Kind.INTEGER}, key=("v",), mode=WriteMode.UPSERT)
CHANGES: dict[str, Callable[[PostgresTables], None]] = {
    "numeric": retyping("numeric"),
    "text": retyping("text"),
    "jsonb": retyping("jsonb"),
    "relax": lambda tables: take([tables._relaxing(QUOTED, "v")]),
    "add": lambda tables: take(tables._adding(QUOTED, {"n": "bigint"})),
    "index": lambda tables: take([tables._adding_unique(QUOTED, KEYED, ["v"], None)]),
    "unkey": drop_keys,
    "drop": lambda tables: tables.drop("made"),
}


@pytest.fixture
def warehouse(postgres: Postgres) -> Warehouse:
    postgres.execute("CREATE SCHEMA loaded")
    return Warehouse(postgres)


@pytest.mark.parametrize(
    ("what", "made", "advised"),
    [
        (
            "numeric",
            ("CREATE TABLE loaded.made (v bigint, g bigint GENERATED ALWAYS AS (v * 2) STORED)",),
            "ALTER TABLE loaded.made DROP COLUMN g",
        ),
        ("numeric", (MADE, "CREATE POLICY own ON loaded.made USING (v > 1)"), "DROP POLICY own ON loaded.made"),
        (
            "numeric",
            (
                MADE,
                "CREATE VIEW loaded.a AS SELECT v FROM loaded.made",
                "CREATE VIEW loaded.b AS SELECT v FROM loaded.a",
            ),
            "DROP VIEW loaded.b; DROP VIEW loaded.a",
        ),
        (
            "numeric",
            (MADE, 'CREATE MATERIALIZED VIEW loaded."A ""b" AS SELECT v FROM loaded.made'),
            'DROP MATERIALIZED VIEW loaded."A ""b"',
        ),
        (
            "numeric",
            (MADE, "CREATE RULE own AS ON INSERT TO loaded.made WHERE NEW.v > 1 DO INSTEAD NOTHING"),
            "DROP RULE own ON loaded.made",
        ),
        (
            "numeric",
            (
                MADE,
                FUNCTION,
                "CREATE TRIGGER own BEFORE UPDATE OF v ON loaded.made FOR EACH ROW EXECUTE FUNCTION loaded.f()",
            ),
            "DROP TRIGGER own ON loaded.made",
        ),
        (
            "numeric",
            (
                MADE,
                "CREATE FUNCTION loaded.g(a integer) RETURNS bigint BEGIN ATOMIC SELECT max(v) FROM loaded.made; END",
            ),
            "DROP FUNCTION loaded.g(integer)",
        ),
        (
            "numeric",
            (MADE, "CREATE PUBLICATION own FOR TABLE loaded.made (id, v)"),
            "ALTER PUBLICATION own DROP TABLE loaded.made",
        ),
        (
            "numeric",
            (MADE, "CREATE TABLE loaded.o (x loaded.made)"),
            "ALTER TABLE loaded.o ALTER COLUMN x TYPE jsonb USING to_jsonb(x)",
        ),
        (
            "numeric",
            (
                "CREATE TABLE loaded.o (id bigint PRIMARY KEY)",
                "CREATE TABLE loaded.made (v bigint REFERENCES loaded.o)",
            ),
            "ALTER TABLE loaded.made DROP CONSTRAINT made_v_fkey",
        ),
        (
            "text",
            (
                "CREATE TABLE loaded.made (v bigint PRIMARY KEY)",
                "CREATE TABLE loaded.o (x bigint REFERENCES loaded.made)",
            ),
            "ALTER TABLE loaded.o DROP CONSTRAINT o_x_fkey",
        ),
        (
            "text",
            ("CREATE TABLE loaded.made (v bigint CONSTRAINT positive CHECK (v > 0))",),
            "ALTER TABLE loaded.made DROP CONSTRAINT positive",
        ),
        ("text", (MADE, "CREATE INDEX own ON loaded.made ((v * 2))"), "DROP INDEX loaded.own"),
        ("text", (MADE, "CREATE INDEX own ON loaded.made (id) WHERE v > 3"), "DROP INDEX loaded.own"),
        ("jsonb", (MADE, "CREATE INDEX own ON loaded.made USING brin (v)"), "DROP INDEX loaded.own"),
        ("text", (MADE, "CREATE STATISTICS loaded.own ON (v * 2), id FROM loaded.made"), "DROP STATISTICS loaded.own"),
        (
            "jsonb",
            ("CREATE TABLE loaded.made (v bigserial)",),
            "ALTER TABLE loaded.made ALTER COLUMN v DROP DEFAULT",
        ),
        (
            "drop",
            (
                "CREATE TABLE loaded.made (v bigint PRIMARY KEY)",
                "CREATE TABLE loaded.o (x bigint CONSTRAINT own REFERENCES loaded.made)",
                "CREATE POLICY own ON loaded.made USING (v > 1)",
                "CREATE TABLE loaded.c () INHERITS (loaded.made)",
                "CREATE VIEW loaded.s AS SELECT v FROM loaded.made",
            ),
            "DROP VIEW loaded.s; ALTER TABLE loaded.c NO INHERIT loaded.made; ALTER TABLE loaded.o DROP CONSTRAINT own",
        ),
    ],
)
def test_all_that_depends_on_it_is_named_with_the_statements_that_help(
    warehouse: Warehouse, what: str, made: tuple[str, ...], advised: str
) -> None:
    warehouse.execute(*made)
    refusal = warehouse.refusal(what)
    assert refusal.startswith(f"cannot change table {QUOTED}: ")
    found = re.search(r"\. Run (.*), and make (?:it|them) again after the next task", refusal)
    assert (found and found[1], "'schema_policy: evolve'" in refusal) == (advised, what != "drop")
    warehouse.execute(*advised.split("; "))
    warehouse.change(what)


@pytest.mark.parametrize(
    ("what", "made", "advised"),
    [
        (
            "numeric",
            (PARENT, "CREATE TABLE loaded.made () INHERITS (loaded.parent)"),
            'ALTER TABLE loaded.parent ALTER COLUMN "v" TYPE numeric USING "v"::numeric',
        ),
        (
            "relax",
            (
                f"{PARENT} PARTITION BY RANGE (id)",
                "CREATE TABLE loaded.made PARTITION OF loaded.parent FOR VALUES FROM (0) TO (10)",
            ),
            'ALTER TABLE loaded.parent ALTER COLUMN "v" DROP NOT NULL',
        ),
        (
            "add",
            (
                f"{PARENT} PARTITION BY RANGE (id)",
                "CREATE TABLE loaded.made PARTITION OF loaded.parent FOR VALUES FROM (0) TO (10)",
            ),
            'ALTER TABLE loaded.parent ADD COLUMN "n" bigint',
        ),
        (
            "add",
            ("CREATE TYPE loaded.own AS (id bigint)", "CREATE TABLE loaded.made OF loaded.own"),
            "ALTER TABLE loaded.made NOT OF",
        ),
        (
            "numeric",
            ("CREATE TABLE loaded.made (v bigint GENERATED ALWAYS AS IDENTITY)",),
            'ALTER TABLE loaded.made ALTER COLUMN "v" DROP IDENTITY',
        ),
        (
            "relax",
            ("CREATE TABLE loaded.made (v bigint GENERATED ALWAYS AS IDENTITY)",),
            "ALTER TABLE loaded.made ALTER COLUMN v DROP IDENTITY",
        ),
        (
            "numeric",
            ("CREATE TABLE loaded.made (id bigint, v bigint GENERATED ALWAYS AS (id * 2) STORED)",),
            'ALTER TABLE loaded.made DROP COLUMN "v"',
        ),
        (
            "relax",
            ("CREATE TABLE loaded.made (v bigint PRIMARY KEY)",),
            "ALTER TABLE loaded.made DROP CONSTRAINT made_pkey",
        ),
        (
            "relax",
            (
                "CREATE TABLE loaded.made (v bigint NOT NULL)",
                "CREATE UNIQUE INDEX own ON loaded.made (v)",
                "ALTER TABLE loaded.made REPLICA IDENTITY USING INDEX own",
            ),
            "ALTER TABLE loaded.made REPLICA IDENTITY FULL",
        ),
        (
            "unkey",
            (
                "CREATE TABLE loaded.made (v bigint PRIMARY KEY)",
                "CREATE TABLE loaded.o (x bigint REFERENCES loaded.made)",
            ),
            "ALTER TABLE loaded.o DROP CONSTRAINT o_x_fkey",
        ),
    ],
)
def test_what_the_table_or_the_column_is_is_named_with_the_statement_that_helps(
    warehouse: Warehouse, what: str, made: tuple[str, ...], advised: str
) -> None:
    warehouse.execute(*made)
    refusal = warehouse.refusal(what)
    assert re.search(rf"[Rr]un {re.escape(advised)}$", refusal), refusal
    warehouse.execute(advised)
    if "DROP COLUMN" not in advised and "loaded.parent" not in advised:  # otherwise the statement has done it
        warehouse.change(what)


@pytest.mark.parametrize(
    ("what", "made", "advice"),
    [
        ("text", (f"{MADE} PARTITION BY RANGE (v)",), "partitions by this column: set another 'table_name'"),
        ("text", (f"{MADE} PARTITION BY RANGE ((v % 3))",), "partitions by this column: set another 'table_name'"),
        ("index", (f"{MADE} PARTITION BY RANGE (id)",), "let 'primary_key' have all columns by which it is divided"),
        ("index", ("CREATE TABLE loaded.made (v json)",), "set another 'primary_key', or make it jsonb if it is json"),
        ("add", ("CREATE VIEW loaded.made AS SELECT 1 AS v",), "loaded.made is a view: set another 'table_name'"),
    ],
)
def test_what_no_statement_helps_against_is_named_with_the_key_to_change(
    warehouse: Warehouse, what: str, made: tuple[str, ...], advice: str
) -> None:
    warehouse.execute(*made)
    assert advice in warehouse.refusal(what)


@pytest.mark.parametrize("what", ["text", "relax", "add", "index", "drop"])
def test_a_table_of_somebody_else_is_changed_by_its_owner(warehouse: Warehouse, what: str) -> None:
    warehouse.execute(MADE)
    options = PostgresDestinationOptions.model_validate(warehouse.postgres.options())
    with psycopg.connect(options.url.get_secret_value() if options.url else "", autocommit=True) as owner:
        (name,) = owner.execute("SELECT current_user").fetchone() or ("",)
    with closing(connect(options, application_name="test", log=unheard)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE ROLE weak")
        connection.execute("GRANT ALL ON SCHEMA loaded TO weak")
        connection.execute("SET LOCAL ROLE weak")
        tables = PostgresTables(PostgresSession(connection), schema="loaded", naming="as_is")
        with pytest.raises(ConfigurationError, match=f"Only its owner can do that: ask '{name}' to run .* loaded.made"):
            CHANGES[what](tables)
        connection.execute("ROLLBACK")


def test_an_error_with_another_cause_is_told_as_it_is(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE loaded.made (v boolean CHECK (v))")
    assert warehouse.refusal("numeric") == "cannot prepare: cannot cast type boolean to numeric"
