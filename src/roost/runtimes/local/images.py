"""Images on one machine: an environment directory made by uv from a locked recipe, with this very Roost inside.

`images/<name>` is a symbolic link to a directory named by its content; a later build replaces the link atomically
and running workloads keep the directory they were started from. Only the part that changed is made again.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import roost
from roost.model.errors import NotFound, Unavailable
from roost.runtimes.base import BuildProgress
from roost.runtimes.image import packages
from roost.runtimes.image.files import write_json
from roost.runtimes.image.packages import PTH
from roost.settings import Settings

_PACKAGE = Path(roost.__file__).parent
_ENTRY_POINTS = """\
[console_scripts]
roost = roost.cli.main:main

[jupyter_client.kernel_provisioners]
roost = roost.runtimes.image.kernels:RoostProvisioner
"""
_MANIFEST = "roost-image.json"
_CACHES = {"__pycache__"}
#: Parts of Roost that only a control plane runs: they need packages that images do not have.
_NOT_INSIDE = _CACHES | {"api", "control", "dataplane", "services", "store", "web"}
#: Terminals: the machine's own settings, a prompt without the machine's names, then the person's settings.
_BASHRC = """\
[ -f /etc/bash.bashrc ] && . /etc/bash.bashrc
PS1='\\w \\$ '
[ -f ~/.bashrc ] && . ~/.bashrc
"""
#: No news, no search for updates: nothing of a workspace looks outside by itself.
_LAB_DEFAULTS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


class LocalBuilder:
    """Builds images below `settings.images`."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.images

    def path(self, image: str) -> Path:
        """The directory of an image as it is now; it stays valid when the image is replaced."""
        link = self._root / image
        if not link.is_symlink():
            raise Unavailable(
                f"The image {image} is not built yet.",
                subject=image,
                code="image-missing",
                hint="`roost up` builds it.",
            )
        return self._root / os.readlink(link)

    async def ready(self, image: str) -> bool:
        """Whether the image is there and matches its recipe and this Roost."""
        link = self._root / image
        return link.is_symlink() and os.readlink(link) == self._wanted(image) and self._complete(link)

    async def versions(self, image: str) -> Mapping[str, Any]:
        """Python and the named packages of an image; empty where it is not built."""
        try:
            content: Mapping[str, Any] = json.loads((self.path(image) / _MANIFEST).read_text())
        except (OSError, ValueError, Unavailable):
            return {}
        return content

    async def build(self, image: str) -> AsyncIterator[BuildProgress]:
        """Build what is missing, with progress; idempotent, and one builder at a time."""
        lock_text = _recipe(image)
        self._root.mkdir(parents=True, exist_ok=True, mode=0o711)
        with (self._root / ".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if await self.ready(image):
                return
            self._clean(image)
            target = self._root / self._wanted(image)
            if not self._complete(target):
                async for step in self._make(image, target, lock_text):
                    yield step
            _point(self._root / image, target.name)
            yield BuildProgress(message=f"The image {image} is ready", fraction=1.0)

    async def _make(self, image: str, target: Path, lock_text: str) -> AsyncIterator[BuildProgress]:
        draft = target.with_name(f".{target.name}")
        base = self._same_packages(image)
        if base is not None:
            yield BuildProgress(message="Renewing Roost in the image", fraction=0.5)
            await asyncio.to_thread(_copy_by_links, base, draft)
        else:
            async for step in _install(draft, lock_text):
                yield step
        yield BuildProgress(message="Compiling", fraction=0.7)
        _add_roost(draft)
        site = _site_packages(draft)
        compiler = (str(draft / "bin/python"), "-m", "compileall", "-q", "-j", "0")
        await _run(*compiler, str(site if base is None else site / "roost"), check=False)
        await asyncio.to_thread(_finish, draft, self._root)
        _relocate(draft, target)

    def _complete(self, path: Path) -> bool:
        """Whether a build was finished, and in this folder: programs in it name the interpreter by its path."""
        try:
            content = json.loads((path / _MANIFEST).read_text())
        except (OSError, ValueError):
            return False
        return bool(content.get("root") == str(self._root.resolve()))

    def _wanted(self, image: str) -> str:
        """The directory name of the image that this Roost would build."""
        return f"{image}-{_packages_digest(image)}-{_source_digest()[:8]}"

    def _same_packages(self, image: str) -> Path | None:
        """A finished build that differs in nothing but Roost itself."""
        found = self._root.glob(f"{image}-{_packages_digest(image)}-*/{_MANIFEST}")
        return next((manifest.parent for manifest in found), None)

    def _clean(self, image: str) -> None:
        """Remove what an interrupted build left."""
        for left in self._root.glob(f".{image}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def remove_unused(self, in_use: frozenset[str]) -> None:
        """Remove finished builds that no link and no running workload uses. A shared folder is left alone."""
        if self._root.is_symlink() or not self._root.is_dir():
            return
        linked = {os.readlink(link) for link in self._root.iterdir() if link.is_symlink()}
        for path in self._root.iterdir():
            finished = path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
            if finished and path.name not in linked | in_use:
                shutil.rmtree(path, ignore_errors=True)


def _recipe(image: str) -> str:
    recipe = resources.files("roost.data") / "images" / f"{image}.lock"
    if not recipe.is_file():
        raise NotFound(f"There is no image {image}.", subject=image, field="image", hint="Valid: default.")
    return recipe.read_text()


def _packages_digest(image: str) -> str:
    return hashlib.sha256(f"{_recipe(image)}\0{_interpreter()}".encode()).hexdigest()[:8]


def _source_digest() -> str:
    """What of this Roost goes into an image, by content."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(_PACKAGE):
        folders[:] = sorted(set(folders) - (_NOT_INSIDE if folder == str(_PACKAGE) else _CACHES))
        for name in sorted(files):
            digest.update(f"{os.path.relpath(folder, _PACKAGE)}/{name}\0".encode())
            digest.update(Path(folder, name).read_bytes())
    return digest.hexdigest()


def _interpreter() -> str:
    """A Python that everybody on this machine may run: as root, owners have user ids of their own."""
    own = os.path.realpath(sys.executable)
    if os.geteuid() != 0 or reachable_by_all(Path(own)):
        return own
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if Path(candidate).exists() and reachable_by_all(Path(os.path.realpath(candidate))):
            return os.path.realpath(candidate)
    return own


def reachable_by_all(path: Path) -> bool:
    """Whether other users may pass through every directory above a path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _uv_command(*arguments: str) -> list[str]:
    from uv import find_uv_bin

    return [find_uv_bin(), *arguments]


async def _install(draft: Path, lock_text: str) -> AsyncIterator[BuildProgress]:
    """A new environment with everything the lock names."""
    python = _interpreter()
    yield BuildProgress(message=f"Making an environment with {python}")
    await _uv("venv", "--quiet", "--no-project", "--python", python, str(draft))
    packages = len(re.findall(r"^[a-zA-Z0-9_.-]+==", lock_text, re.MULTILINE))
    requirements = draft / "requirements.txt"
    requirements.write_text(lock_text)
    yield BuildProgress(message=f"Installing up to {packages} packages", fraction=0.05)
    install = ("pip", "install", "--python", str(draft / "bin/python"), "--require-hashes", "--no-deps")
    async for line in _uv_lines(*install, "-r", str(requirements)):
        yield BuildProgress(message=line, fraction=0.5 if "Prepared" in line else None)


def _copy_by_links(base: Path, draft: Path) -> None:
    """A copy of a finished build without Roost, sharing the files that never change."""
    shutil.copytree(base, draft, symlinks=True, copy_function=os.link)
    site = _site_packages(draft)
    shutil.rmtree(site / "roost")
    for about in site.glob("roost-*.dist-info"):
        shutil.rmtree(about)
    for file in (draft / "bin/roost", site / PTH):
        file.unlink(missing_ok=True)


async def _uv(*arguments: str) -> None:
    async for _ in _uv_lines(*arguments):
        pass


async def _uv_lines(*arguments: str) -> AsyncIterator[str]:
    """Run uv; yields what it says. Raises with its last words when it fails."""
    environment = {**os.environ, "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1", "NO_COLOR": "1", "UV_LINK_MODE": "copy"}
    environment.pop("VIRTUAL_ENV", None)
    process = await asyncio.create_subprocess_exec(
        *_uv_command(*arguments), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    said: list[str] = []
    async for raw in process.stderr:
        line = raw.decode(errors="replace").rstrip()
        said.append(line)
        if line and not line.startswith((" +", "warning")):
            yield line
    if await process.wait() != 0:
        raise Unavailable(
            "The image could not be built: " + " ".join(said[-6:]),
            code="image-build-failed",
            hint="Check the network and the disk, then start again: what is there is reused.",
        )


async def _run(*argv: str, check: bool = True) -> None:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait() != 0 and check:
        raise Unavailable(f"{argv[0]} failed.", code="image-build-failed")


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python3.*/site-packages"))


def _add_roost(environment: Path) -> None:
    """Copy the running package in, so that the SDK in the image is the one this control plane speaks."""
    site = _site_packages(environment)
    shutil.copytree(_PACKAGE, site / "roost", ignore=_left_out)
    about = site / f"roost-{roost.__version__}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: roost\nVersion: {roost.__version__}\n")
    (about / "INSTALLER").write_text("roost\n")
    (about / "entry_points.txt").write_text(_ENTRY_POINTS)
    (about / "RECORD").write_text("")
    (site / PTH).write_text(f"import {packages.__name__}\n")
    script = environment / "bin/roost"
    script.write_text(f"#!{environment}/bin/python\nimport sys\nfrom roost.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)


def _left_out(folder: str, names: list[str]) -> set[str]:
    return set(names) & (_NOT_INSIDE if folder == str(_PACKAGE) else _CACHES)


def _finish(environment: Path, root: Path) -> None:
    """Defaults of Lab, and a mode that lets everybody read and nobody but us write."""
    overrides = environment / "share/jupyter/lab/settings"
    overrides.mkdir(parents=True, exist_ok=True)
    (overrides / "overrides.json").unlink(missing_ok=True)
    write_json(overrides / "overrides.json", _LAB_DEFAULTS)
    shell = environment / "share/roost/bashrc"
    shell.parent.mkdir(parents=True, exist_ok=True)
    shell.unlink(missing_ok=True)
    shell.write_text(_BASHRC)
    (environment / _MANIFEST).unlink(missing_ok=True)
    write_json(environment / _MANIFEST, {**_versions(environment), "root": str(root.resolve())})
    for folder, folders, files in os.walk(environment):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                mode = os.stat(path).st_mode
                os.chmod(path, (mode | 0o444 | (0o111 if mode & 0o100 else 0)) & ~0o022)
    os.chmod(environment, 0o755)  # noqa: S103  everybody runs programs from it, nobody writes


def _versions(environment: Path) -> dict[str, Any]:
    found = {}
    for about in _site_packages(environment).glob("*.dist-info"):
        name, _, version = about.name.removesuffix(".dist-info").rpartition("-")
        found[name.replace("_", "-").lower()] = version
    python = (environment / "pyvenv.cfg").read_text()
    version = next(line.split("=")[1].strip() for line in python.splitlines() if line.startswith("version"))
    return {"python": version, "packages": {name: found[name] for name in sorted(found)}}


def _rewrite(file: Path, content: bytes) -> None:
    """New content in a new file: the old one may be shared with another build."""
    mode = file.stat().st_mode
    file.unlink()
    file.write_bytes(content)
    file.chmod(mode)


def _relocate(draft: Path, target: Path) -> None:
    """Give the finished environment its name; scripts name the interpreter by its absolute path."""
    family = target.name.rsplit("-", 1)[0]
    own_path = re.compile(rb"/[^\s'\"=:]*/\.?" + re.escape(family).encode() + rb"-[0-9a-f]{8}")
    for script in (draft / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            if content[:2] == b"#!" or script.name.startswith("activate"):
                _rewrite(script, own_path.sub(str(target).encode(), content))
    for kernel in (draft / "share/jupyter/kernels").glob("*/kernel.json"):
        _rewrite(kernel, own_path.sub(str(target).encode(), kernel.read_bytes()))
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def _point(link: Path, target: str) -> None:
    draft = link.with_name(f".{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
