"""The static files, read once: style sheets joined to one, all compressed, under an address that names the content.

`/static/<hash>/name` never changes and is kept for a year; the hash covers all files, so modules may import each
other by relative names. Any other address is not there.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

#: The style sheets in their order; the browser gets them as `roost.css`.
STYLES = ("colours.css", "base.css", "frame.css", "parts.css", "forms.css", "pages.css")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str


class Assets:
    """All static files of a directory."""

    def __init__(self, directory: Path) -> None:
        files = {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.suffix in _TYPES}
        files["roost.css"] = b"\n".join(files.pop(name) for name in STYLES)
        self.version = hashlib.sha256(b"\0".join(k.encode() + b"\0" + v for k, v in files.items())).hexdigest()[:10]
        self._assets = {
            f"{self.version}/{name}": Asset(content, gzip.compress(content, 9, mtime=0), _TYPES[Path(name).suffix])
            for name, content in files.items()
        }

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"/static/{self.version}/{name}"

    def find(self, path: str) -> Asset | None:
        """The file at a path below /static/."""
        return self._assets.get(path)

    @property
    def modules(self) -> list[str]:
        """The names of the scripts a page loads."""
        return [path.partition("/")[2] for path in self._assets if path.endswith(".js") and "worker" not in path]
