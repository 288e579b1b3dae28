"""The image builder: by content, atomic, renewed cheaply, readable by everybody, safe to interrupt."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import BuiltImage

import roost
from roost.model.errors import NotFound, Unavailable
from roost.runtimes.local import images
from roost.runtimes.local.images import LocalBuilder
from roost.settings import Settings

pytestmark = pytest.mark.image


@pytest.fixture
def root(default_image: BuiltImage) -> Path:
    """A folder on the file system of the finished image, so that files can be shared with it."""
    folder = default_image.images.parent / f"work-{os.getpid()}"
    (folder / "images").mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def _clean(root: Path):  # type: ignore[no-untyped-def]
    yield
    shutil.rmtree(root, ignore_errors=True)


def with_older_build(root: Path, default_image: BuiltImage) -> LocalBuilder:
    """A home whose image has the right packages and another Roost."""
    builder = LocalBuilder(Settings(home=root))
    name = builder._wanted("default").rpartition("-")[0] + "-00000000"
    shutil.copytree(default_image.path, root / "images" / name, symlinks=True, copy_function=os.link)
    (root / "images/default").symlink_to(name)
    return builder


async def build(builder: LocalBuilder) -> list[str]:
    return [step.message async for step in builder.build("default")]


async def test_it_holds_what_the_recipe_names(default_image: BuiltImage) -> None:
    builder = LocalBuilder(Settings(home=default_image.images.parent))
    assert await builder.ready("default")
    versions = await builder.versions("default")
    packages = versions["packages"]
    named = {"jupyterlab", "dask", "distributed", "numpy", "pandas", "bokeh", "plotly", "voila", "scikit-learn"}
    assert named <= set(packages)
    assert packages["roost"] == roost.__version__
    assert versions["python"].startswith("3.")


async def test_a_finished_one_is_not_built_again(default_image: BuiltImage) -> None:
    assert await build(LocalBuilder(Settings(home=default_image.images.parent))) == []


async def test_another_roost_is_renewed_without_the_network(root: Path, default_image: BuiltImage) -> None:
    builder = with_older_build(root, default_image)
    before = builder.path("default")
    assert not await builder.ready("default")
    steps = await build(builder)
    assert "Renewing Roost in the image" in steps
    after = builder.path("default")
    assert await builder.ready("default")
    assert before != after
    assert before.is_dir(), "what runs from it goes on"
    same = "lib/python3*/site-packages/numpy/__init__.py"
    assert next(before.glob(same)).stat().st_ino == next(after.glob(same)).stat().st_ino
    assert _said([str(after / "bin/roost"), "--version"]) == f"roost {roost.__version__}"
    script = (after / "bin/jupyter").read_text().splitlines()[0]
    assert script == f"#!{after}/bin/python"


def _said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


async def test_a_home_that_was_moved_gets_its_image_anew(root: Path, default_image: BuiltImage) -> None:
    await build(with_older_build(root, default_image))
    (root / "images").rename(root / "else")
    (root / "home").mkdir()
    (root / "else").rename(root / "home/images")
    other = LocalBuilder(Settings(home=root / "home"))
    assert not await other.ready("default")
    await build(other)
    assert _said([str(other.path("default") / "bin/roost"), "--version"]).startswith("roost")


async def test_what_an_interrupted_build_left_is_removed(root: Path, default_image: BuiltImage) -> None:
    builder = with_older_build(root, default_image)
    half = root / "images" / f".{builder._wanted('default')}"
    (half / "lib").mkdir(parents=True)
    await build(builder)
    assert not half.exists()
    assert [path.name for path in (root / "images").iterdir() if path.name.startswith(".d")] == []


async def test_two_builders_do_not_meet(root: Path, default_image: BuiltImage) -> None:
    builder = with_older_build(root, default_image)
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from roost.runtimes.local.images import LocalBuilder; from roost.settings import Settings\n"
        "async def main():\n"
        "    async for step in LocalBuilder(Settings(home=Path(sys.argv[1]))).build('default'): print(step.message)\n"
        "asyncio.run(main())"
    )
    both = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(root), stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    said = [(await process.communicate())[0] for process in both]
    assert sorted(bool(text) for text in said) == [False, True], "one builds, the other finds it done"
    assert await builder.ready("default")


async def test_unused_builds_are_removed_and_used_ones_kept(root: Path, default_image: BuiltImage) -> None:
    builder = with_older_build(root, default_image)
    old = builder.path("default")
    await build(builder)
    builder.remove_unused(frozenset({old.name}))
    assert old.is_dir()
    builder.remove_unused(frozenset())
    assert not old.exists()
    assert await builder.ready("default")


async def test_a_folder_shared_by_homes_is_left_alone(root: Path, default_image: BuiltImage) -> None:
    other = root / "other"
    other.mkdir()
    (other / "images").symlink_to(root / "images")
    (root / "images/default-something-old").mkdir()
    LocalBuilder(Settings(home=other)).remove_unused(frozenset())
    assert (root / "images/default-something-old").is_dir()


async def test_an_unknown_image_is_named(root: Path) -> None:
    with pytest.raises(NotFound, match="no image gpu"):
        await build_named(LocalBuilder(Settings(home=root)), "gpu")


async def build_named(builder: LocalBuilder, name: str) -> None:
    async for _ in builder.build(name):
        pass


async def test_a_missing_image_says_what_to_do(root: Path) -> None:
    builder = LocalBuilder(Settings(home=root))
    assert not await builder.ready("default")
    assert await builder.versions("default") == {}
    with pytest.raises(Unavailable, match="not built yet"):
        builder.path("default")


async def test_a_failure_says_why_and_leaves_the_old_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_recipe", lambda image: "no-such-package-here==1 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setenv("UV_OFFLINE", "1")
    builder = LocalBuilder(Settings(home=root))
    with pytest.raises(Unavailable, match="no-such-package-here"):
        await build(builder)
    assert not (root / "images/default").exists()


def test_everybody_may_read_and_nobody_else_write(default_image: BuiltImage) -> None:
    for number, path in enumerate(default_image.path.rglob("*")):
        if number % 7 == 0 and not path.is_symlink():
            mode = path.stat().st_mode
            assert mode & 0o444 == 0o444, path
            assert mode & 0o022 == 0, path
            assert not path.is_dir() or mode & 0o111 == 0o111, path


def test_what_only_the_control_plane_needs_is_not_inside(default_image: BuiltImage) -> None:
    inside = next(default_image.path.glob("lib/python3*/site-packages/roost"))
    assert {"client", "cli", "model", "runtimes"} <= {path.name for path in inside.iterdir()}
    assert not {"store", "services", "api", "control", "dataplane", "web"} & {path.name for path in inside.iterdir()}


def test_the_recipe_is_locked_by_hash_and_names_no_host() -> None:
    text = images._recipe("default")
    names = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in names)
    assert text.count("--hash=sha256:") >= len(names)
    assert "://" not in text
