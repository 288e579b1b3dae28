"""The platform beside its workloads: sizes, volumes, people, tokens, the machine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from roost.client.configuration import resolve
from roost.client.connection import Connection, Json
from roost.client.workloads import Clusters, Workloads


class Roost:
    """The platform, seen by one caller.

    Address and token come from the arguments, else ROOST_URL and ROOST_TOKEN (or ROOST_URL_FILE and
    ROOST_TOKEN_FILE, as inside a workspace), else from `roost login`.
    """

    def __init__(self, url: str = "", token: str = "", *, environment: Mapping[str, str] = os.environ) -> None:
        self.connection = Connection(resolve(url, token, environment))
        self.workspaces = Workloads(self.connection, "workspaces")
        self.clusters = Clusters(self.connection)
        self.volumes = Volumes(self.connection)
        self.people = People(self.connection)
        self.tokens = Tokens(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.connection.close()

    def me(self) -> Json:
        """Who the token belongs to."""
        return self.connection.get("/api/v1/me")

    def version(self) -> Json:
        """What the platform runs."""
        return self.connection.get("/api/v1/version")

    def sizes(self) -> Json:
        """The sizes, whether each fits now, and what it costs; `default` names the usual one."""
        return self.connection.get("/api/v1/sizes")

    def machine(self) -> Json:
        """What the machine is doing."""
        return self.connection.get("/api/v1/machine")


class Volumes:
    """The disks of workspaces."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Json]:
        """All volumes one may see, deleted ones that are still kept included."""
        return list(self._connection.get("/api/v1/volumes")["items"])

    def restore(self, which: str) -> Json:
        """Take a deleted volume back out of the bin."""
        return self._connection.send("POST", f"/api/v1/volumes/{quote(which, safe='')}/restore", {})

    def destroy(self, which: str, *, confirm: str) -> Json:
        """Remove a deleted or unused volume for ever; `confirm` repeats its name."""
        return self._connection.send("DELETE", f"/api/v1/volumes/{quote(which, safe='')}", {"confirm": confirm})


class People:
    """Who may use the platform."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Json]:
        """Everybody."""
        return list(self._connection.get("/api/v1/people")["items"])

    def change(self, which: str, *, role: str | None = None, disabled: bool | None = None) -> Json:
        """Change somebody's role, or let them in or out."""
        body = {key: value for key, value in (("role", role), ("disabled", disabled)) if value is not None}
        return self._connection.send("PATCH", f"/api/v1/people/{quote(which, safe='')}", body)

    def invite(self, *, role: str = "member", hint: str = "") -> Json:
        """Make an invitation link."""
        body = {"role": role, "email_hint": hint}
        return self._connection.send("POST", "/api/v1/invitations", body, key=uuid.uuid4().hex)


class Tokens:
    """API tokens of the caller."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Json]:
        """The caller's tokens, without their secrets."""
        return list(self._connection.get("/api/v1/tokens")["items"])

    def create(self, name: str, *, scopes: Sequence[str] = (), expires_days: int | None = None) -> Json:
        """Make a token; its secret is shown this once."""
        body: dict[str, Any] = {"name": name, "scopes": [*scopes]}
        if expires_days is not None:
            body["expires_days"] = expires_days
        return self._connection.send("POST", "/api/v1/tokens", body)

    def revoke(self, which: str) -> None:
        """End a token."""
        self._connection.send("DELETE", f"/api/v1/tokens/{quote(which, safe='')}")
