"""`streamfuse config`: shows, checks and describes settings files."""

from __future__ import annotations

import json

import click


@click.group(name="config")
def config_group() -> None:
    """Show, check and describe settings files."""


@config_group.command(name="show")
@click.argument("name", default="default", metavar="[FILE|NAME]")
def config_show(name: str) -> None:
    """Print all settings of a file or a shipped configuration, defaults filled in."""
    from streamfuse.config import load_config

    click.echo(load_config(name).show(), nl=False)


@config_group.command(name="check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def config_check(files: tuple[str, ...]) -> None:
    """Say whether settings files are valid, and if not, what to change."""
    from streamfuse.config import load_config

    for name in files:
        load_config(name)
        click.echo(f"{name}: valid")


@config_group.command(name="schema")
def config_schema() -> None:
    """Print the JSON schema of settings files, for editors."""
    from streamfuse.config import schema

    click.echo(json.dumps(schema(), indent=2))
