"""Renders every page with made-up content and takes screenshots: `python -m tests.browser.preview DIR [NAME ...]`.

Options before the names: --phone, --dark, --full (the whole page), --serve PORT (look at them in a browser instead).
"""

from __future__ import annotations

import argparse
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.browser.browsers import launch
from tests.browser.samples import NOW, PAGES

from roost.api.headers import CONTENT_SECURITY_POLICY
from roost.web.render import assets


class Handler(BaseHTTPRequestHandler):
    """Serves /NAME and /static/."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        asset = assets().find(path.removeprefix("/static/")) if path.startswith("/static/") else None
        if asset is not None:
            self._send(200, asset.media_type, asset.content)
        elif path[1:] in PAGES:
            self._send(200, "text/html; charset=utf-8", PAGES[path[1:]]().encode())
        else:
            self._send(404, "text/plain", b"not here")

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(port: int = 0) -> ThreadingHTTPServer:
    """Serve the pages from a thread."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--phone", action="store_true")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--serve", type=int, default=0)
    options = parser.parse_intermixed_args()
    server = serve(options.serve)
    if options.serve:
        threading.Event().wait()
    options.directory.mkdir(parents=True, exist_ok=True)
    suffix = ("-phone" if options.phone else "") + ("-dark" if options.dark else "")
    with sync_playwright() as playwright, launch(playwright) as browser:
        context = browser.new_context(
            viewport={"width": 390, "height": 844} if options.phone else {"width": 1280, "height": 800},
            color_scheme="dark" if options.dark else "light",
            device_scale_factor=1,
            reduced_motion="reduce",
            timezone_id="UTC",
        )
        page = context.new_page()
        page.clock.set_fixed_time(NOW)
        page.on("console", lambda message: print(f"  console: {message.text}", file=sys.stderr))
        page.on("pageerror", lambda error: print(f"  error: {error}", file=sys.stderr))
        for name in options.names or PAGES:
            page.goto(f"http://127.0.0.1:{server.server_port}/{name}")
            page.screenshot(path=options.directory / f"{name}{suffix}.png", full_page=options.full)
            print(name)
        context.close()


if __name__ == "__main__":
    main()
