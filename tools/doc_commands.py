"""The commands that stand in README.md, CONTRIBUTING.md and docs/*.md, as a reader sees them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_COMMAND = re.compile(r"(streamfuse|python|pip) [^`]*$")


@dataclass(frozen=True)
class Command:
    """A command of a page, and the block of commands that it stands in."""

    page: str
    block: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def commands() -> list[Command]:
    """All commands, in the order of the pages; each text once per page."""
    found: dict[tuple[str, str], Command] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        fenced, block = False, 0
        for line in text.splitlines():
            if line.startswith("```"):
                fenced = not fenced
            if line.startswith("```") or not line.strip():
                block += 1
            elif (fenced or line.startswith("    ")) and (command := _command(line)):
                found.setdefault((page.name, command), Command(page.name, block, command))
    return list(found.values())


def _command(line: str) -> str | None:
    """Without remarks, which stand after two spaces or a #."""
    text = re.split(r"\s{2,}(?![-\s])|\s+# ", line.strip())[0].strip()
    return text if _COMMAND.match(text) else None
