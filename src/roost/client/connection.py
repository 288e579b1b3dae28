"""One way to ask the platform something: address and token as they are now, retries only where repeating is safe."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from roost import __version__
from roost.client import problems
from roost.client.configuration import Configuration
from roost.client.transport import open_client
from roost.model.errors import InvalidInput, NotSignedIn, Unavailable

VERSION_HEADER = "X-Roost-Version"
ATTEMPTS = 7  # with growing pauses: about six seconds, several restarts of a control plane
_FIRST_ATTEMPTS = 3  # where nothing has ever answered
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_TOO_MANY = 429
_PASSING = frozenset({_TOO_MANY, 502, 503, 504})
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Json = dict[str, Any]


class Connection:
    """Sends requests of one caller to one platform. Usable from several threads."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.server_version = ""
        self._answered = False
        self._lock = threading.Lock()
        self._url = configuration.current_url()
        self._client = open_client(self._url, _TIMEOUT)

    @property
    def url(self) -> str:
        """The platform's address as last used."""
        return self._url

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def get(self, path: str, **params: Any) -> Json:
        """Read something; repeated when the platform is away for a moment."""
        return self.send("GET", path, params=params)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> Json:
        """Ask and return the JSON answer ({} when empty). `key` makes a POST safe to repeat."""
        headers = {"Idempotency-Key": key} if key else {}
        request = {"method": method, "url": path, "json": body, "params": _present(params), "headers": headers}
        response = self._retrying(request, safe=method == "GET" or bool(key))
        self._check(response)
        if not response.content:
            return {}
        try:
            return dict(response.json())
        except ValueError:
            raise problems.stranger(self._url, response) from None

    @contextmanager
    def stream(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **params: Any
    ) -> Iterator[httpx.Response]:
        """Ask for an answer that is read as it comes, without a limit of time between its parts."""
        timeout = httpx.Timeout(None, connect=5.0)
        request = {"method": method, "url": path, "json": body, "params": _present(params), "timeout": timeout}
        try:
            response = self._once(request, stream=True)
        except httpx.HTTPError as error:
            raise problems.unreachable(self._url, error) from None
        try:
            if not response.is_success:
                response.read()
                self._check(response)
            yield response
        except httpx.HTTPError as error:
            raise Unavailable(f"The connection broke: {error}.", subject=self._url, hint="Try again.") from None
        finally:
            response.close()

    def _retrying(self, request: Json, *, safe: bool) -> httpx.Response:
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                response = self._once(request)
            except httpx.HTTPError as error:
                arrived = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
                if last or (arrived and not safe) or self._hopeless(error, attempt):
                    raise problems.unreachable(self._url, error) from None
            else:
                if response.status_code not in _PASSING or not safe or last:
                    return response
                if response.status_code == _TOO_MANY:
                    time.sleep(min(_asked_delay_s(response), _LONGEST_DELAY_S))
            time.sleep(random.uniform(0, min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**attempt)))
            self._follow()
        raise AssertionError("unreachable")

    def _hopeless(self, error: httpx.HTTPError, attempt: int) -> bool:
        """Whether asking again is a waste of a person's time: an address that never answered is probably wrong."""
        cause = problems.root_cause(error)
        return isinstance(cause, (ssl.SSLError, socket.gaierror)) or (not self._answered and attempt >= _FIRST_ATTEMPTS)

    def _once(self, request: Json, *, stream: bool = False) -> httpx.Response:
        """Send once; a second time when the token was replaced meanwhile."""
        token = self.configuration.current_token()
        response = self._send(request, token, stream)
        if response.status_code == 401 and (newer := self.configuration.current_token()) != token:
            response.close()
            response = self._send(request, newer, stream)
        self.server_version = response.headers.get(VERSION_HEADER, self.server_version)
        self._answered = True
        return response

    def _send(self, request: Json, token: str, stream: bool) -> httpx.Response:
        try:
            built = self._client.build_request(**request)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"What was given cannot be sent: {error}.", hint="Use plain numbers, texts, true, false and lists."
            ) from None
        built.headers["User-Agent"] = f"roost/{__version__}"
        built.headers["Accept"] = "application/json"
        if token:
            built.headers["Authorization"] = f"Bearer {token}"
        return self._client.send(built, stream=stream)

    def _follow(self) -> None:
        """Go to where the platform is now: its address may have changed while it was away."""
        with self._lock:
            url = self.configuration.current_url()
            if url != self._url:
                self._url, self._client = url, open_client(url, _TIMEOUT)

    def _check(self, response: httpx.Response) -> None:
        """Raise what an answer that is no success stands for; add that versions differ where that may be the cause."""
        if problems.is_stranger(response):
            raise problems.stranger(self._url, response)
        if response.is_success:
            return
        error = problems.error_from(response)
        skew = version_skew(__version__, self.server_version)
        if skew and (not problems.is_problem(response) or response.status_code in (404, 405, 422)):
            error.hint = f"{error.hint} {skew}".strip()
        if isinstance(error, NotSignedIn) and not self.configuration.current_token():
            error.hint = problems.NO_TOKEN
        raise error


def version_skew(client: str, server: str) -> str:
    """A sentence when client and platform are too far apart to understand each other, else "".

    A client may be two minor versions older than the platform, and must not be newer.

    >>> version_skew("0.1.0", "0.3.2")
    ''
    >>> version_skew("0.4.0", "0.3.2")
    'The platform runs 0.3.2, this client is 0.4.0: install roost==0.3.2.'
    """
    ours, theirs = _minor(client), _minor(server)
    if ours is None or theirs is None or (ours[0] == theirs[0] and 0 <= theirs[1] - ours[1] <= 2):
        return ""
    return f"The platform runs {server}, this client is {client}: install roost=={server}."


def _minor(version: str) -> tuple[int, int] | None:
    parts = version.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else None


def _present(params: Mapping[str, Any] | None) -> Json:
    return {name: value for name, value in (params or {}).items() if value is not None and value != ""}


def _asked_delay_s(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0
