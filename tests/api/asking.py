"""Who may ask the platform for something, and things to ask for."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tests.api.world import Browser, Program, World
from tests.services.fixed import by
from tests.store.making import DAY, NOW

from roost.model.access import Caller, Role
from roost.services import invitations, sessions, tokens, workloads
from roost.store import audit

SCOPES = ("read", "workspaces", "clusters", "admin")
numbers = itertools.count()


@dataclass(frozen=True)
class Asker:
    """Somebody who asks, and by what; `credential` "" = by nothing that counts."""

    label: str
    client: Browser | Program | None
    credential: str = ""

    @property
    def administrator(self) -> bool:
        return self.client is not None and self.client.caller.role is Role.ADMINISTRATOR


def everybody(world: World) -> list[Asker]:
    """All who may ask: nobody, credentials that do not count, a member and an administrator by each way there is."""
    found = [Asker("anonymous", None), *dead(world)]
    for name, role in (("Ada", Role.MEMBER), ("Root", Role.ADMINISTRATOR)):
        word = role.value
        found.append(Asker(f"{word} session", world.browser(name, role), "session"))
        found.append(Asker(f"{word} token", world.program(name, role=role), "full"))
        found += [Asker(f"{word} token:{s}", world.program(name, s, role=role), s) for s in SCOPES]
        caller = world.person(name, role)
        home = world.workload(caller.person, "home of the token")
        token = tokens.issue_workload_token(world.store, home.id, caller.person, now_us=world.now_us)
        found.append(Asker(f"{word} workload token", Program(caller, token), "workload"))
    return found


def dead(world: World) -> list[Asker]:
    """An administrator's credentials that no longer count, and one that never did."""
    world.now_us = NOW - 2 * DAY
    old_token, old_session = (world.program("Past", role=Role.ADMINISTRATOR, days=1), world.browser("Past"))
    world.now_us = NOW
    revoked_token, revoked_session = world.program("Past"), world.browser("Past")
    tokens.revoke_token(world.store, revoked_token.caller, revoked_token.caller.session, now_us=NOW)
    sessions.revoke(world.store, revoked_session.caller, revoked_session.caller.session, now_us=NOW)
    unknown = Program(revoked_token.caller, "rst_" + "x" * 43)
    return [
        Asker("expired token", old_token),
        Asker("expired session", old_session),
        Asker("revoked token", revoked_token),
        Asker("revoked session", revoked_session),
        Asker("unknown token", unknown),
    ]


def thing(world: World, plural: str, owner: Caller, *, deleted: bool = False) -> str:
    """The id of something new of the owner's; a volume always is in the bin."""
    name = f"thing {next(numbers)}"
    if plural == "people":
        return world.person(name).person
    if plural == "invitations":
        return invitations.invite(world.store, owner, now_us=world.now_us)[1].id
    if plural == "sessions":
        return world.browser(owner.name).caller.session
    if plural == "tokens":
        return world.program(owner.name).caller.session
    row = world.workload(owner.person, name, "cluster" if plural == "clusters" else "workspace")
    if plural == "volumes" or deleted:
        workloads.delete(world.store, by(owner, world.now_us), row.id, keep_s=60)
    return str(row.volume) if plural == "volumes" else row.id


def changes(world: World) -> int:
    """How many changes there were: each one has its audit row."""
    with world.store.read() as tx:
        return audit.count(tx)
