"""What the login may do: write as API and workers do, and migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.doctor.finding import fail, ok
from app.store.database import APP_ROLE
from app.store.installation import fetch_login, list_missing_rights, list_owners, list_roles, may_create

if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.doctor.installation import Connection, Installation

# Shown in remedies, never executed.
_GRANT: Final = "Run as the server's administrator: GRANT {role} TO {login};"
_GRANT_CREATE: Final = "Run as the server's administrator: GRANT CREATE ON DATABASE … TO {login};"
_GRANT_OWNER: Final = "Migrate with a login that is a member of {names}: GRANT {names} TO …;"
_CREATE_ROLES: Final = "See Roles in docs/operations.md for what the server's administrator has to run."


async def look(installation: Installation) -> list[Finding]:
    """Two findings: of the login that API and workers use, and of the one that runs migrations."""
    pooled = installation.address is not None and installation.address.pooled
    async with installation.connected_as_service() as connection:
        writing = await _look_at_writing(connection, pooled=pooled)
    async with installation.connected() as connection:
        return [writing, await _look_at_migrating(connection)]


async def _look_at_writing(connection: Connection, *, pooled: bool) -> Finding:
    login = await fetch_login(connection)
    [app] = await list_roles(connection, [APP_ROLE])
    # A pooler passes no role on.
    role = login["role"] if pooled or not app["usable"] else APP_ROLE
    missing = await list_missing_rights(connection, role)
    who = f"login {login['login']}" + (f" acts as {role}" if role != login["login"] else "")
    if not missing:
        return ok("rights", f"{who} and may write" + (" (a superuser)" if login["superuser"] else ""))
    lacks = f"{who} and lacks {missing[0]['right']} on {missing[0]['object']}"
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    grant = _GRANT.format(role=APP_ROLE, login=login["login"])
    return fail("rights", lacks + more, grant if app["exists"] else _CREATE_ROLES)


async def _look_at_migrating(connection: Connection) -> Finding:
    """A login that cannot migrate is not a failure: services may run with fewer rights."""
    login = (await fetch_login(connection))["login"]
    owners = await list_owners(connection)
    if not owners:
        if await may_create(connection):
            return ok("owner", f"login {login} may create the schema")
        return fail(
            "owner",
            f"login {login} may not create the schema",
            _GRANT_CREATE.format(login=login),
        )
    names = ", ".join(owner["owner"] for owner in owners)
    if all(owner["usable"] for owner in owners):
        return ok("owner", f"login {login} may migrate: it acts for {names}")
    return ok(
        "owner",
        f"login {login} may not migrate or manage tokens: the tables belong to {names}",
        _GRANT_OWNER.format(names=names),
    )
