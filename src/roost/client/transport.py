"""HTTP to the platform, also where the resolver does not know `*.localhost`.

Browsers and curl send every name below `localhost` to loopback by themselves (RFC 6761); Python asks the system,
which may not. Requests to such hosts go straight to loopback, past any proxy, with their Host header kept.
"""

from __future__ import annotations

import httpx

_LOOPBACK = ("127.0.0.1", "::1")


class LoopbackTransport(httpx.BaseTransport):
    """Connects to loopback whatever the host is called: to 127.0.0.1, or to ::1 where nothing answers there."""

    def __init__(self, verify: bool) -> None:
        self._inner = httpx.HTTPTransport(verify=verify)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the host stays what it was in the Host header and in TLS."""
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        failure: httpx.ConnectError | None = None
        for address in _LOOPBACK:
            url = request.url.copy_with(host=address)
            here = httpx.Request(
                request.method, url, headers=request.headers, stream=request.stream, extensions=extensions
            )
            try:
                return self._inner.handle_request(here)
            except httpx.ConnectError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


def open_client(url: str, timeout: httpx.Timeout) -> httpx.Client:
    """A client for one platform. Certificates are loaded (30 ms) only where there is TLS."""
    host = httpx.URL(url).host
    verify = url.startswith("https:")
    if is_loopback(host):
        return httpx.Client(base_url=url, timeout=timeout, transport=LoopbackTransport(verify), trust_env=False)
    return httpx.Client(base_url=url, timeout=timeout, verify=verify)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name."""
    return host in ("localhost", *_LOOPBACK) or host.endswith(".localhost")
