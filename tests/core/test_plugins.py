"""Camera drivers and fusers that come in packages of others, as they are installed."""

from __future__ import annotations

import sys
import textwrap

import pytest
from runs import streamfuse as command

import streamfuse
from streamfuse.camera import open_camera
from streamfuse.camera.open import is_camera, is_device
from streamfuse.core import plugins
from streamfuse.errors import ConfigError, UsageError

MODULE = """
from streamfuse.camera import CameraOptions
from streamfuse.fusion.fuser import MertensFuser
from streamfuse.synthetic.film_camera import SampleCamera

class Acme(SampleCamera):
    def __init__(self, which, options):
        assert isinstance(options, CameraOptions)
        super().__init__(f"sim:?size=64x48&frames={which}")

def make(device):
    fuser = MertensFuser()
    fuser.name = f"mine on {device}"
    return fuser
"""
POINTS = """
[streamfuse.cameras]
acme = acme_streamfuse:Acme
broken = acme_streamfuse:Nothing

[streamfuse.fusers]
mine = acme_streamfuse:make
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """A package with a driver and a fuser, installed."""
    (tmp_path / "acme_streamfuse.py").write_text(textwrap.dedent(MODULE))
    info = tmp_path / "acme_streamfuse-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-streamfuse\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    plugins.installed.cache_clear()
    yield
    sys.modules.pop("acme_streamfuse", None)
    monkeypatch.undo()
    plugins.installed.cache_clear()


def test_a_camera_of_another_package_is_opened_by_its_name(acme):
    assert is_camera("acme:8")
    assert is_device("acme:8")
    with open_camera("acme:8") as source:
        assert (source.info.width, source.info.height) == (64, 48)


def test_a_fuser_of_another_package_is_used_by_its_name(acme):
    summary = streamfuse.fuse_file("sample:?frames=4&size=64x48", "null:", fuser="mine", device="cpu")
    assert summary.fuser == "mine on cpu"


def test_what_cannot_be_loaded_is_told_with_its_package(acme):
    with pytest.raises(
        UsageError,
        match=r"'broken' of acme-streamfuse \(acme_streamfuse:Nothing\) cannot be loaded: .*Nothing",
    ):
        open_camera("broken:1")


def test_what_is_not_installed_is_not_there():
    plugins.installed.cache_clear()
    assert not is_camera("acme:8")
    with pytest.raises(UsageError, match=r"'acme:8' is no camera"):
        open_camera("acme:8")
    with pytest.raises(ConfigError, match="mine"):
        streamfuse.fuse_video("sample:?frames=4&size=64x48", fuser="mine")


def test_doctor_lists_them(acme):
    text = command("doctor").stdout
    assert "cameras: acme, broken" in text
    assert "fusers: mine" in text
