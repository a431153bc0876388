"""Keys, and who gets in."""

from __future__ import annotations

import stat

import pytest
from wire_frames import fused_frame, stream_info

from streamfuse.errors import InputError, InputNotFoundError, OutputExistsError, StreamAccessError, UsageError
from streamfuse.zmq.security import load_keys, new_keys
from streamfuse.zmq.subscription import subscribe
from streamfuse.zmq.zmq_sink import open_publisher


@pytest.fixture
def keys(tmp_path):
    """A publisher's keys, those of two subscribers, and a list with the first one of them."""
    for name in ("camera", "known", "unknown"):
        new_keys(tmp_path / name)
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "known.key").write_text((tmp_path / "known.key").read_text())
    return tmp_path


def published(keys, clients=True):
    options = f"keys={keys}/camera.key_secret" + (f"&clients={keys}/clients" if clients else "")
    return open_publisher(f"zmq+pub://:*?{options}", stream_info())


def test_key_files(tmp_path):
    public, secret = new_keys(tmp_path / "camera")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    pair = load_keys(secret, secret=True)
    assert load_keys(public, secret=False).public == pair.public
    assert pair.secret.decode() not in public.read_text()
    assert pair.secret.decode() not in repr(pair)
    with pytest.raises(OutputExistsError):
        new_keys(tmp_path / "camera")
    with pytest.raises(InputError, match="secret"):
        load_keys(public, secret=True)
    with pytest.raises(InputNotFoundError):
        load_keys(tmp_path / "nothing.key", secret=False)
    (tmp_path / "other.key").write_text("hello")
    with pytest.raises(InputError):
        load_keys(tmp_path / "other.key", secret=False)


def test_a_known_subscriber_gets_frames(keys):
    with published(keys) as sink:
        subscription = subscribe(
            sink.outputs[0], server=keys / "camera.key", keys=keys / "known.key_secret", timeout=5
        )
        sink.wait_for_subscribers(1, 5)
        sink.write(fused_frame(3))
        assert next(subscription).index == 3
        subscription.close()


@pytest.mark.parametrize(
    ("server", "own"),
    [("camera", "unknown"), ("unknown", "known"), (None, None)],
    ids=["not on the list", "wrong server key", "no keys"],
)
def test_others_are_refused_and_counted(keys, server, own):
    with published(keys) as sink:
        subscription = subscribe(
            sink.outputs[0],
            server=server and keys / f"{server}.key",
            keys=own and keys / f"{own}.key_secret",
            timeout=5,
        )
        with pytest.raises(StreamAccessError):
            next(subscription)
        statistics = subscription.statistics
        assert statistics.denied + statistics.failed + statistics.disconnects > 0
        assert sink.subscribers == 0


def test_settings_that_do_not_fit(keys):
    with pytest.raises(UsageError, match="clients"):
        open_publisher(f"zmq+pub://:*?clients={keys}", stream_info())
    with pytest.raises(UsageError, match="public keys"):
        open_publisher(f"zmq+pub://:*?keys={keys}/camera.key_secret&clients={keys}/none", stream_info())
    with pytest.raises(UsageError, match="server"):
        subscribe("tcp://127.0.0.1:1", keys=keys / "known.key_secret")


def test_a_plain_public_address_is_warned_of(keys):
    with open_publisher("zmq+pub://*:*", stream_info()) as sink:
        assert "everybody" in sink.warnings[0]
    with open_publisher(f"zmq+pub://*:*?keys={keys}/camera.key_secret", stream_info()) as sink:
        assert not sink.warnings
    with open_publisher("zmq+pub://:*", stream_info()) as sink:
        assert not sink.warnings
        assert sink.outputs[0].startswith("tcp://127.0.0.1:")
