"""The steps of `.ci/run` by name: `nox` runs lint, types and imports; `nox -s tests` one of the others."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "imports"]
nox.options.reuse_existing_virtualenvs = True
CONSTRAINTS = ("-c", "constraints.txt")


def _install(session: nox.Session, extras: str) -> None:
    session.install("-q", *CONSTRAINTS, "-e", f".[{extras}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install("-q", *CONSTRAINTS, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the package, the tools and the examples; over the tests, what they call."""
    _install(session, "dev,docs")
    session.run("mypy")
    session.run("mypy", "--config-file", "tests/mypy.ini")


@nox.session
def imports(session: nox.Session) -> None:
    """Which package may import which."""
    _install(session, "dev")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, into build/site; a warning is an error."""
    _install(session, "docs")
    session.run("mkdocs", "build", "--strict", "--quiet")


@nox.session
def tests(session: nox.Session) -> None:
    """What takes below two seconds each."""
    _install(session, "test")
    session.run("pytest", "-q", "-m", "not slow", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The rest; what measures what the machine holds is tested alone."""
    _install(session, "test")
    session.run("pytest", "-q", "-m", "slow and not alone", "--dist", "worksteal", *session.posargs)
    session.run("pytest", "-q", "-m", "slow and alone", "-n", "0", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Branches that the quick tests reach, with the gate of CI, and a report in build/coverage."""
    _install(session, "test")
    session.run("pytest", "-q", "-m", "not slow", "--cov", "--cov-report=html", *session.posargs)


@nox.session
def acceptance(session: nox.Session) -> None:
    """The README's commands, alone and beside a busy process, in short."""
    _install(session, "test")
    session.run("python", "tools/acceptance.py", "--quick")


@nox.session(venv_backend="none")
def first_hour(session: nox.Session) -> None:
    """Five newcomers' ways by README and docs, in a fresh environment that is made on the way."""
    session.run("python3", "tools/first_hour/run.py", *session.posargs, external=True)
