"""`make bench`: every row of the table, Roost and its peers in one run on one machine.

python -m benchmarks                       measure everything, print the table
python -m benchmarks --only lists memory   some families only
python -m benchmarks --write               also write docs/reference/benchmarks.{md,json} and the table of README.md
python -m benchmarks --quick               everything small: tries the benchmark, says nothing about the platform
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks import (
    first_task,
    front_door,
    lists,
    mass_start,
    memory,
    platform_start,
    report,
    workspace_start,
)
from benchmarks.options import Options
from benchmarks.ours import folder
from benchmarks.peers import Missing, install
from benchmarks.processes import Failed
from benchmarks.results import Row, table

FAMILIES: Mapping[str, Callable[[Options], Sequence[Row]]] = {
    module.FAMILY: module.measure
    for module in (workspace_start, first_task, mass_start, front_door, lists, platform_start, memory)
}


def main() -> int:
    """Returns the exit code: 0 every target reached, 1 not, 2 usage, 3 could not measure."""
    options = _arguments()
    try:
        peers = None if options.no_peers else install()
    except Missing as error:
        print(f"error: {error}\nhint: --no-peers measures Roost alone", file=sys.stderr)
        return 3
    rows: list[Row] = []
    broken = 0
    with folder() as directory:
        told = Options(directory=directory, peers=peers, quick=options.quick)
        for name in options.only or FAMILIES:
            print(f"measuring {name} ...", file=sys.stderr)
            began = time.monotonic()
            try:
                rows += FAMILIES[name](told)
            except (Failed, AssertionError, OSError) as error:
                broken += 1
                print(f"error: {name} could not be measured: {error}", file=sys.stderr)
            print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr)
    machine = report.machine(peers)
    print(json.dumps(report.document(rows, machine), indent=2) if options.json else f"{table(rows)}\n{machine.line}")
    if options.write:
        report.write(rows, machine)
    return 3 if broken else int(any(row.reached is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--no-peers", action="store_true", help="measure Roost alone")
    parser.add_argument("--quick", action="store_true", help="small numbers, to try the benchmark itself")
    parser.add_argument("--write", action="store_true", help="write the documentation's table too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.write and (options.quick or options.only or options.no_peers):
        parser.error("--write needs the whole run: no --quick, --only or --no-peers")
    return options


if __name__ == "__main__":
    sys.exit(main())
