"""What `mkdocs` does beyond turning pages into HTML: so that the same pages can be read on a code host.

README.md, CONTRIBUTING.md, CHANGELOG.md and SECURITY.md become pages. A file of the repository that a page links to,
such as a module, becomes a page with its text, so that no link leads out of the site; a link to what is not there is an
error of the build. The tables of settings are made from the schema.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from streamfuse.config import schema

ROOT = Path(__file__).resolve().parents[1]
# Pages of the root, and what they are called in the site.
AT_THE_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
_LANGUAGES = {
    ".py": "python",
    ".mjs": "js",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".toml": "toml",
    ".cu": "cpp",
}
_MARK = "<!-- configuration -->"
_SOURCES = "source"
_MAX_BYTES = 200_000  # of a file that is shown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for name, page in AT_THE_ROOT.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    linked = {target for page in _pages() for target in _targets(page) if _shown(target)}
    for target in sorted(linked):
        listing = File.generated(
            config, _page_of(target), content=_listing(target), inclusion=InclusionLevel.NOT_IN_NAV
        )
        files.append(listing)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links to their pages, and the mark into tables."""
    uri = page.file.src_uri
    origin = next((name for name, other in AT_THE_ROOT.items() if other == uri), f"docs/{uri}")
    if uri.startswith(f"{_SOURCES}/"):
        return markdown

    def moved(link: re.Match[str]) -> str:
        target = _joined(origin, link[1])
        return posixpath.relpath(_page_of(target), posixpath.dirname(uri) or ".") + (link[2] or "")

    return _LINK.sub(moved, markdown).replace(_MARK, "\n".join(_settings(schema())))


def _pages() -> list[str]:
    """All pages that are written by hand, from the root of the repository."""
    return [
        *AT_THE_ROOT,
        *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))),
    ]


def _targets(page: str) -> set[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return {_joined(page, link[1]) for link in _LINK.finditer(text)}


def _joined(page: str, link: str) -> str:
    """What a link of a page leads to, from the root of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _shown(target: str) -> bool:
    """Whether it is there, and no page of the site already."""
    return target not in AT_THE_ROOT and not target.startswith("docs/") and (ROOT / target).exists()


def _page_of(target: str) -> str:
    """The page of the site that shows a file of the repository."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return AT_THE_ROOT.get(target, f"{_SOURCES}/{target}.md")


def _listing(target: str) -> str:
    """A page with the text of a file, or with the names in a folder."""
    path = ROOT / target
    if path.is_dir():
        return f"# {target}\n\n" + "".join(
            f"- `{child.name}`\n" for child in sorted(path.iterdir()) if _is_ours(child)
        )
    text = path.read_text(encoding="utf-8") if path.stat().st_size <= _MAX_BYTES else "(too long to show)"
    return f"# {target}\n\n~~~~{_LANGUAGES.get(path.suffix, 'text')}\n{text}\n~~~~\n"


def _is_ours(path: Path) -> bool:
    return not path.name.startswith((".", "__pycache__"))


def _settings(found: Mapping[str, object]) -> Iterator[str]:
    """A heading and a table for each section of the settings, as Markdown."""
    kinds = _mapping(found["$defs"])
    for section, reference in _mapping(found["properties"]).items():
        yield from _section(section, _mapping(kinds[_name(reference)]))
    yield from _section("live.outputs[]", _mapping(kinds["OutputSpec"]))


def _section(name: str, kind: Mapping[str, object]) -> Iterator[str]:
    yield from (f"## `{name}`", "", str(kind.get("description", "")), "")
    yield from ("| key | values | default | |", "|---|---|---|---|")
    for key, value in _mapping(kind["properties"]).items():
        field = _mapping(value)
        default = _code(field.get("default")) if "default" in field else "(needed)"
        yield f"| `{key}` | {_values(field)} | {default} | {_escaped(str(field.get('description', '')))} |"
    yield ""


def _values(field: Mapping[str, object]) -> str:
    """The values that a setting may have."""
    if isinstance(kinds := field.get("anyOf"), list):
        return " or ".join(_values(_mapping(kind)) for kind in kinds)
    if isinstance(choices := field.get("enum"), list):
        return " ".join(_code(choice) for choice in choices)
    if "const" in field:
        return _code(field["const"])
    limits = {"minimum": "&ge;", "exclusiveMinimum": "&gt;", "maximum": "&le;", "exclusiveMaximum": "&lt;"}
    bounds = [
        f"{sign} {field[limit]:g}"
        for limit, sign in limits.items()
        if isinstance(field.get(limit), int | float)
    ]
    return " ".join([str(field.get("type", "section")), *bounds])


def _code(value: object) -> str:
    words = {None: "null", True: "on", False: "off"}
    text = words[value] if value is None or isinstance(value, bool) else str(value)
    return f"`{text}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _name(field: object) -> str:
    """The section that a setting is; some have a short form beside it."""
    found = _mapping(field)
    if isinstance(kinds := found.get("anyOf"), list):
        found = _mapping(kinds[0])
    return str(found["$ref"]).rpartition("/")[2]


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value
