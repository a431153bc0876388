"""YAML as settings are written in it: scalars of YAML 1.2, no key twice, no number of a thousand digits."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import yaml

from streamfuse.errors import ConfigError, shortened

_MAX_DIGITS = 19


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars, so that `off` is a word and `10:20` no number; a key that comes twice is an error."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own way)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [key.value for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.MarkedYAMLError(problem=f"the key {twice!r} comes twice", problem_mark=node.start_mark)
        return mapping


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """Give a number of a sensible length: reading a longer one takes long, and no setting is one."""
    text = str(loader.construct_scalar(node))
    if len(text) > _MAX_DIGITS:
        raise yaml.MarkedYAMLError(problem=f"{shortened(text)} is too long", problem_mark=node.start_mark)
    return int(text)


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def settings_in(text: str, path: Path, sections: Iterable[str]) -> Mapping[str, object]:
    """Read what a settings file holds.

    Args:
        text: what stands in it.
        path: where it stood, for messages.
        sections: names that may stand at its top, for messages.

    Raises:
        ConfigError: it is not YAML, holds nothing, or something else than sections.
    """
    try:
        settings = yaml.load(text, _Loader)
    except RecursionError:
        raise ConfigError(f"{path} is nested too deep for a configuration: sections hold settings.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable characters"
        raise ConfigError(f"{path} is not valid YAML{where}: {problem}.") from error
    if settings is None:
        raise ConfigError(f"{path} holds no settings: fill it in, or leave it out to use the defaults.")
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} has to hold sections ({', '.join(sections)}), not {shortened(settings)}.")
    return settings
