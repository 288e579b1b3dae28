"""Where a run is written down: the page of the documentation, its JSON, and the short table of README.md."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import roost
from benchmarks.peers import Peers
from benchmarks.results import Row, markdown

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/benchmarks.md"
DOCUMENT = ROOT / "docs/reference/benchmarks.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
_PAGE = """\
# Benchmarks

Measured by `make bench ARGS=--write` on {date}, Roost and its peers in one run on one machine.
{line}

{table}

Ratios say how many times better Roost is; above 1 is better. All rules, for Roost and peers alike:

- Peers are installed from their registries, with the JupyterLab and Dask versions of Roost's default image.
- Starts are medians of warm starts; the first one is left out. JupyterLab counts when it answers `/api/status`
  through the front door.
- A Dask round goes from the constructor of the cluster object to the first result, imports apart.
- Starts per second end when the platform itself reports the last one ready. JupyterHub starts a program in C there,
  Roost a Python program that answers.
- The front door checks a ticket on every request; configurable-http-proxy checks nothing. Load, proxy and upstream
  share the cores of the machine.
- Memory is PSS, fifteen seconds after the start.

Details:

{details}

The same as data: {{download}}`benchmarks.json`.
"""


@dataclass(frozen=True)
class Machine:
    """Where and with what it was measured."""

    system: str
    processor: str
    cores: int
    memory_gb: float
    versions: dict[str, str]

    @property
    def line(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.system}, {self.cores} cores ({self.processor}), {self.memory_gb:.0f} GB. {versions}."


def machine(peers: Peers | None) -> Machine:
    """This machine."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux") if os.path.exists("/etc/os-release") else ""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return Machine(
        system=f"{release or platform.system()}, Linux {platform.release().split('-')[0]}",
        processor=found.group(1).strip() if found else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        versions={
            "Roost": roost.__version__,
            "Python": platform.python_version(),
            **(peers.versions if peers is not None else {}),
        },
    )


def document(rows: Sequence[Row], where: Machine) -> dict[str, Any]:
    """Everything, as data."""
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    return {"measured_at": now, "machine": asdict(where), "rows": [row.to_json() for row in rows]}


def write(rows: Sequence[Row], where: Machine) -> None:
    """Write page, data and the table of README.md."""
    content = document(rows, where)
    DOCUMENT.write_text(json.dumps(content, indent=2) + "\n")
    details = "\n".join(_detail(row) for row in rows)
    date = content["measured_at"][:10]
    PAGE.write_text(_PAGE.format(date=date, line=where.line, table=markdown(rows), details=details))
    short = f"{BEGIN}\n{markdown(rows)}\n\nMeasured on {date}: {where.line}\n{END}"
    README.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: short, README.read_text(), flags=re.DOTALL))


def _detail(row: Row) -> str:
    ours = row.roost.detail if row.roost else ""
    theirs = f"; {row.peer_name}: {row.peer.detail}" if row.peer and row.peer.detail else ""
    return f"- {row.what}: {ours or 'one value'}{theirs}"
