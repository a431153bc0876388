"""CURVE: encryption and authentication by key pairs, in the certificate files that pyzmq and CZMQ use.

`NAME.key` is the public half, to be given away; `NAME.key_secret` is the secret one. The publisher has a key pair
and, if it wants to know who reads, a folder with the public keys of its subscribers. A subscriber has the
publisher's public key, and a pair of its own where the publisher asks for one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import zmq

from streamfuse.errors import InputError, InputNotFoundError, OutputError, OutputExistsError, UsageError

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

PUBLIC_SUFFIX = ".key"
SECRET_SUFFIX = ".key_secret"


class KeyPair(NamedTuple):
    """Z85 text of 40 bytes each; `secret` is None where only the public half is known."""

    public: bytes
    secret: bytes | None

    def __repr__(self) -> str:
        return f"KeyPair({self.public.decode()!r})"  # the secret half is never shown


def new_keys(name: str | Path) -> tuple[Path, Path]:
    """Make a key pair.

    Args:
        name: path of the files without their suffix.

    Returns:
        The public and the secret file; the secret one can be read by its owner only.

    Raises:
        OutputExistsError: one of them is there already: keys are never replaced.
        OutputError: they cannot be written.
    """
    stem = Path(name)
    public_file = stem.with_name(stem.name + PUBLIC_SUFFIX)
    secret_file = stem.with_name(stem.name + SECRET_SUFFIX)
    for path in (public_file, secret_file):
        if path.exists():
            raise OutputExistsError(
                f"{path} exists already, and keys are never replaced: choose another name."
            )
    public, secret = (half.decode() for half in zmq.curve_keypair())
    made = datetime.now(UTC).date()
    head = f"#   streamfuse CURVE certificate, made {made}\n"
    body = f'metadata\ncurve\n    public-key = "{public}"\n'
    secret_head = f"{head}#   SECRET: do not give this file away.\n"
    try:
        _write(secret_file, f'{secret_head}{body}    secret-key = "{secret}"\n', 0o600)
        _write(public_file, head + body, 0o644)
    except OSError as error:
        with suppress(OSError):
            secret_file.unlink(missing_ok=True)
        raise OutputError(f"The keys {stem} cannot be written: {error.strerror}.") from error
    return public_file, secret_file


def load_keys(path: str | Path, *, secret: bool) -> KeyPair:
    """Read a certificate file.

    Args:
        path: the file.
        secret: whether the secret half has to be in it.

    Raises:
        InputNotFoundError, InputError: as the message says.
    """
    from zmq.auth import load_certificate

    if not Path(path).is_file():
        raise InputNotFoundError(f"There is no key file {path}: make keys with `streamfuse keys new NAME`.")
    try:
        public, hidden = load_certificate(path)
        lengths = {len(half) for half in (public, hidden) if half is not None}
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a key file made by `streamfuse keys new`.") from error
    if lengths != {40} or (secret and hidden is None):
        wanted = f"the secret half (NAME{SECRET_SUFFIX})" if secret else "a key"
        raise InputError(
            f"{path} does not hold {wanted}: name another file, or make keys with `streamfuse keys new`."
        )
    return KeyPair(public, hidden)


def secure_server(socket: zmq.SyncSocket, keys: KeyPair) -> None:
    """Make this the end whose key the others know; before it binds or connects."""
    socket.curve_secretkey = keys.secret
    socket.curve_publickey = keys.public
    socket.curve_server = True


def secure_client(socket: zmq.SyncSocket, server: KeyPair, keys: KeyPair | None) -> None:
    """Talk only to the end with the key `server`; without `keys` of one's own a pair is made up for this run."""
    own = keys or KeyPair(*zmq.curve_keypair())
    socket.curve_serverkey = server.public
    socket.curve_publickey = own.public
    socket.curve_secretkey = own.secret


def allow_only(context: zmq.SyncContext, folder: str | Path) -> ThreadAuthenticator:
    """Let in only clients whose public key (`*.key`) lies in the folder; the caller stops what is returned.

    Raises:
        UsageError: no such folder, or no key in it.
        InputError: a file in it is no key.
    """
    from zmq.auth.thread import ThreadAuthenticator

    files = sorted(Path(folder).glob(f"*{PUBLIC_SUFFIX}"))
    if not files:
        raise UsageError(
            f"{folder} is no folder with the public keys (*{PUBLIC_SUFFIX}) of those who may subscribe."
        )
    for file in files:
        load_keys(file, secret=False)
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve(domain="*", location=str(folder))
    return authenticator


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
