"""Which constraints of packages are understood, and what the others are told."""

from __future__ import annotations

import pytest

from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.options.constraints import lines_of
from app.connectors.options.validation import validated
from app.domain.errors import ConfigurationError

HASH = "--hash=sha256:" + 64 * "a"
COMPILED = f"""\
# made by a tool
tap-a==1.0 \\
    {HASH} \\
    --hash=sha512:{128 * "b"}
    # via -r tap.in

dep.b[fast]==2.0.post1 ; python_version >= '3.11' and sys_platform == 'linux' \\
    {HASH}
"""


def constraints(given: object, **others: object) -> list[str]:
    options = {"package": "tap-a==1.0", "constraints": given} | others
    return [*validated(SOURCES["singer"].options, options, key_path="here").constraints]  # type: ignore[attr-defined]


def refusal(given: object, **others: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        constraints(given, **others)
    return str(refused.value)


def test_each_line_has_the_number_where_it_begins() -> None:
    assert list(lines_of(COMPILED)) == [
        (2, f"tap-a==1.0 {HASH} --hash=sha512:{128 * 'b'}"),
        (7, f"dep.b[fast]==2.0.post1 ; python_version >= '3.11' and sys_platform == 'linux' {HASH}"),
    ]
    assert list(lines_of("a<1 \\\n")) == [(1, "a<1")]


@pytest.mark.parametrize(
    "given",
    [
        COMPILED,
        ["urllib3<3,>=2", "idna == 3.10  # newer ones are slow", "x!=1.*", "y~=1.4; python_version < '4'"],
        ["local @ https://files.example.com/local-1.0.whl"],
        "urllib3<3\n# why\n",
    ],
)
def test_constraints_as_pip_and_uv_write_them_are_understood(given: object) -> None:
    assert len(constraints(given)) <= 4


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"a": 1}, "here.constraints: must be a string or a list"),
        *(
            (nothing, "here.constraints: has no constraints: write a path or a list of lines, or remove the key")
            for nothing in ("", " ", "\n", "# none\n", [], [""], ["# none", " "], None)
        ),
        (["idn\xe4==3.10"], "is not a constraint: write name==1.2.3"),
        (["idna[\xe4]==3.10"], "is not a constraint"),
        (["idna==3.\u0661"], "is not a constraint"),
        (["urllib3"], "'urllib3' is not a constraint: write name==1.2.3 or name==1.2.3 --hash=sha256:…"),
        (["a==1 --hash=md5:abc"], "'a==1 --hash=md5:abc' is not a constraint"),
        (["--index-url https://x"], "option '--index-url' is not allowed in constraints: set it for pip or uv"),
        (["-r more.txt"], "option '-r' is not allowed"),
        (["a==1; python_version > '3' --index-url https://x"], "is not a constraint"),
        (["a==1\nb==2"], "is not a constraint"),
        (["a[x]<2"], "'a[x]<2': pip takes no extras in constraints; leave out [x]"),
        (["b @ https://me:hunter2@h/b.whl x"], "'b @ https://me:***@h/b.whl x' is not a constraint"),
        ([f"tap-a==1.0 {HASH}", "b==2"], "'b==2' has no hash, but other lines have one: give every package its hashes"),
        ([f"tap-a==1.0 {HASH}", f"b<2 {HASH}"], "'b<2' has a hash, so it needs one version: write b==1.2.3"),
        ([f"b==1 {HASH}"], "'constraints' has hashes, but not for 'tap-a==1.0': add the line of that version"),
        ([f"tap-a==1.1 {HASH}"], "'constraints' has hashes, but not for 'tap-a==1.0'"),
    ],
)
def test_wrong_constraints_are_refused(given: object, complaint: str) -> None:
    assert complaint in refusal(given)


@pytest.mark.parametrize(
    ("package", "line"),
    [("Tap_A==1.0", "tap-a==1.0.0"), ("tap-a[x]==1.0", "tap-a==1.0"), ("t@https://h/t.whl", "t @ https://h/t.whl")],
)
def test_a_package_is_found_among_the_hashes_however_it_is_written(package: str, line: str) -> None:
    assert constraints([f"{line} {HASH}"], package=package)
    assert constraints([f"tap-a==7 {HASH}"], package=None, tap="tap_a[x]")


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (SOURCES["singer"].options, {"command": "tap"}),
        (SOURCES["airbyte"].options, {"command": "source"}),
        (SOURCES["airbyte"].options, {"image": "airbyte/source-x:1"}),
        (DESTINATIONS["singer"].options, {"command": "target"}),
    ],
)
def test_constraints_without_a_package_to_install_are_refused(options: type, given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="'constraints' is valid only where a package is installed"):
        validated(options, given | {"constraints": ["a<1"]}, key_path="here")


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (SOURCES["airbyte"].options, {"package": "source-x==1"}),
        (SOURCES["airbyte"].options, {"manifest": "m.yaml"}),
        (DESTINATIONS["singer"].options, {"package": "target-x==1"}),
    ],
)
def test_constraints_are_taken_wherever_a_package_is_installed(options: type, given: dict[str, str]) -> None:
    assert validated(options, given | {"constraints": ["a<1"]}, key_path="here")
