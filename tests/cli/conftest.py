"""A platform for the verbs that ask one, and a shell that is signed in to it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.shell import Shell
from tests.harness import platform


@pytest.fixture(scope="module")
def shell(default_image: Any) -> Iterator[Shell]:
    """A new platform of this module's own, and an administrator's shell."""
    base = Path(tempfile.mkdtemp(prefix="rc-", dir="/tmp"))
    base.chmod(0o711)
    home, working = base / "home", base / "working"
    home.mkdir(mode=0o711)
    working.mkdir()
    (home / "images").symlink_to(default_image.images)
    with platform(home) as running:
        yield Shell(running, working)
    shutil.rmtree(base, ignore_errors=True)
