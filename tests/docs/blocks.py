"""Examples of the documentation: fenced blocks, which of them are run, and what they are to print.

The word after the language says what becomes of a block: `run` is run where the reader sits (bash or Python),
`notebook` is a cell of a notebook, `output` is what the block before it prints, with `...` for whatever is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(
    sorted((*(ROOT / "docs/tutorial").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md"), ROOT / "README.md"))
)
_FENCE = re.compile(r"^( *)```([a-z]+)(?: (run|notebook|output))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block; `prints` is None where the page does not say."""

    line: int
    language: str
    word: str
    text: str
    prints: str | None = None


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order; output is joined to the block that prints it."""
    found: list[Block] = []
    text = page.read_text()
    for match in _FENCE.finditer(text):
        line = text[: match.start()].count("\n") + 1
        block = Block(line, match[2], match[3] or "", re.sub(f"^{match[1]}", "", match[4], flags=re.MULTILINE))
        if block.word == "output":
            found[-1] = replace(found[-1], prints=block.text)
        else:
            found.append(block)
    return found


def to_run(page: Path) -> list[Block]:
    """The blocks of a page that tests run."""
    return [block for block in blocks(page) if block.word]


def matches(wanted: str, printed: str) -> bool:
    """Whether what was printed is what the page shows; the width of gaps does not count."""
    pieces = re.split(r"(\s\.\.\.\s|\.\.\.)", _narrow(wanted))
    pattern = "".join(_gap(piece) if index % 2 else re.escape(piece) for index, piece in enumerate(pieces))
    return re.fullmatch(pattern, _narrow(printed), re.DOTALL) is not None


def _gap(dots: str) -> str:
    """Between blanks the dots may also stand for nothing, and one blank is enough then."""
    return r"\s(?:.*?\s)?" if len(dots) == 5 else ".*?"


def commands(page: Path) -> Iterator[Sequence[str]]:
    """Every `roost ...` a page shows, in blocks and in sentences, as words."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    for block in re.findall(r"^ *```(?:bash|ini)[^\n]*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        for found in re.findall(r"(?:^|[ (/])roost ([a-z][^\n|;<>)#]*)", block, re.MULTILINE):
            yield found.split()
    for found in re.findall(r"(?<!`)`roost ([a-z-][^`\n]*)`", text):
        yield found.split()


def _narrow(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
