"""Cameras that need a package of their own, with modules in place of the packages."""

from __future__ import annotations

import sys
import time
from concurrent.futures import TimeoutError as NotYetError
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from fake_cameras import HEIGHT, WIDTH, Sensor, check_alternation

from streamfuse.camera import CameraOptions, open_camera
from streamfuse.camera.open import connector
from streamfuse.errors import CameraError, UsageError

AS_IT_COMES = CameraOptions(drive=False, reconnect=False)


def module(monkeypatch, name, **contents):
    made = ModuleType(name)
    for key, value in contents.items():
        setattr(made, key, value)
    parent, _, child = name.rpartition(".")
    if parent:
        package = ModuleType(parent)
        setattr(package, child, made)
        monkeypatch.setitem(sys.modules, parent, package)
    monkeypatch.setitem(sys.modules, name, made)


# Raspberry Pi


made_picameras = []


class FakePicamera2:
    def __init__(self, number):
        self.camera_controls = {"ExposureTime": (30, 60_000, 20_000), "AnalogueGain": (1.0, 8.0, 1.0)}
        if number > 0:
            raise IndexError("list index out of range")
        self.sensor = Sensor()
        made_picameras.append(self)

    def create_video_configuration(self, main, controls):
        return {"main": main, "controls": controls}

    def configure(self, wanted):
        assert wanted["controls"]["AeEnable"] is False
        self.wanted = wanted

    def camera_configuration(self):
        return {"main": {"size": (WIDTH, HEIGHT), "stride": WIDTH, "format": "YUV420"}}

    def start(self):
        pass

    def close(self):
        self.sensor.is_open = False

    def set_controls(self, controls):
        self.sensor.tell(controls["ExposureTime"] * controls["AnalogueGain"])

    def capture_request(self, wait):
        pixels = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        pixels[:HEIGHT] = self.sensor.picture()
        told = {
            "ExposureTime": round(self.sensor.time_us),
            "AnalogueGain": 1.0,
            "SensorTimestamp": time.monotonic_ns(),
        }
        request = SimpleNamespace(
            make_array=lambda name: pixels, get_metadata=lambda: told, release=lambda: None
        )
        return SimpleNamespace(get_result=lambda timeout: request)


def test_raspberry_pi(monkeypatch):
    module(monkeypatch, "picamera2", Picamera2=FakePicamera2)
    frames = check_alternation("picamera2:", "picamera2:0")
    assert frames[0].subsampling == (1, 1)
    assert frames[0].exposure.time_us > 0
    assert not made_picameras[-1].sensor.is_open


def test_a_raspberry_pi_that_is_slow(monkeypatch):
    class Slow(FakePicamera2):
        asked = 0

        def capture_request(self, wait):
            Slow.asked += 1
            request = super().capture_request(wait)
            answers = iter([NotYetError(), request.get_result(timeout=0)])

            def get_result(timeout):
                answer = next(answers)
                if isinstance(answer, Exception):
                    raise answer
                return answer

            return SimpleNamespace(get_result=get_result)

    module(monkeypatch, "picamera2", Picamera2=Slow)
    camera = connector("picamera2:0", CameraOptions())()
    assert camera.grab(0.01) is None
    assert camera.grab(0.01) is not None
    assert Slow.asked == 1  # what was asked for is waited for again, not asked for twice


def test_a_raspberry_pi_without_that_camera(monkeypatch):
    module(monkeypatch, "picamera2", Picamera2=FakePicamera2)
    with pytest.raises(CameraError, match="picamera2:3 cannot be opened"):
        open_camera("picamera2:3")
    with pytest.raises(UsageError, match="give its number"):
        open_camera("picamera2:front")


# Basler


class Node:
    """A setting with its range."""

    def __init__(self, value, low=0.0, high=1e9, told=lambda value: None):
        self._value, self.Min, self.Max, self._told = value, low, high, told

    @property
    def Value(self):  # noqa: N802 (as pypylon has it)
        return self._value

    @Value.setter
    def Value(self, value):  # noqa: N802
        self._value = value
        self._told(value)


class PylonError(Exception):
    pass


def fake_pylon(sensor, serial="40012345", lost=False):
    def camera(device):
        nodes = {
            name: Node(value)
            for name, value in {
                "Width": WIDTH,
                "Height": HEIGHT,
                "AcquisitionFrameRateEnable": False,
                "AcquisitionFrameRate": 30.0,
                "ResultingFrameRate": 30.0,
                "PixelFormat": "Mono8",
                "ExposureAuto": "Continuous",
                "GainAuto": "Continuous",
            }.items()
        }

        def retrieve(timeout, handling):
            if lost:
                raise PylonError("removed")
            picture = sensor.picture()
            return SimpleNamespace(
                IsValid=lambda: True, GrabSucceeded=lambda: True, Release=lambda: None, picture=picture,
                ChunkExposureTime=SimpleNamespace(Value=sensor.time_us),
            )  # fmt: skip

        return SimpleNamespace(
            **nodes, ExposureTime=Node(4000.0, 20.0, 1e6, sensor.tell), ChunkModeActive=Node(False),
            ChunkSelector=Node(""), ChunkEnable=Node(False), Open=lambda: None, Close=lambda: None,
            StartGrabbing=lambda strategy: None, StopGrabbing=lambda: None, RetrieveResult=retrieve,
        )  # fmt: skip

    class Converter:
        OutputPixelFormat = None

        def Convert(self, result):  # noqa: N802
            return SimpleNamespace(GetArray=lambda: result.picture)

    devices = [SimpleNamespace(GetSerialNumber=lambda: serial)]
    factory = SimpleNamespace(EnumerateDevices=lambda: devices, CreateDevice=lambda device: device)
    return {
        "TlFactory": SimpleNamespace(GetInstance=lambda: factory),
        "InstantCamera": camera,
        "GenericException": PylonError,
        "ImageFormatConverter": Converter,
        "PixelType_Mono8": 1,
        "PixelType_RGB8packed": 2,
        "GrabStrategy_OneByOne": 0,
        "TimeoutHandling_Return": 0,
    }


def test_basler(monkeypatch):
    module(monkeypatch, "pypylon.pylon", **fake_pylon(Sensor()))
    frames = check_alternation("pylon:40012345", "pylon:40012345")
    assert len(frames[0].planes) == 1
    assert frames[0].exposure.time_us != frames[1].exposure.time_us


def test_a_basler_that_is_not_there(monkeypatch):
    module(monkeypatch, "pypylon.pylon", **fake_pylon(Sensor()))
    with pytest.raises(CameraError, match="No Basler camera 7 was found"):
        open_camera("pylon:7")


def test_a_basler_that_is_lost(monkeypatch):
    module(monkeypatch, "pypylon.pylon", **fake_pylon(Sensor(), lost=True))
    with pytest.raises(CameraError, match=r"pylon: was lost \(removed\)"):
        open_camera("pylon:")


# GenICam


def fake_harvesters(sensor, data_format="Mono8", devices=1):
    class Setting:
        min, max = 20.0, 1e6

        def __init__(self, value, told=lambda value: None):
            self.__dict__.update(_value=value, _told=told)

        @property
        def value(self):
            return self._value  # type: ignore[attr-defined]

        @value.setter
        def value(self, value):
            self.__dict__["_value"] = value
            self._told(value)  # type: ignore[attr-defined]

    def fetch(timeout):
        component = SimpleNamespace(
            height=HEIGHT, width=WIDTH, data=sensor.picture().ravel(), data_format=data_format
        )
        return SimpleNamespace(payload=SimpleNamespace(components=[component]), queue=lambda: None)

    nodes = SimpleNamespace(
        Width=Setting(WIDTH), Height=Setting(HEIGHT), PixelFormat=Setting(data_format),
        ExposureTime=Setting(4000.0, sensor.tell), ExposureAuto=Setting("Continuous"),
    )  # fmt: skip
    device = SimpleNamespace(
        remote_device=SimpleNamespace(node_map=nodes), start=lambda: None, stop=lambda: None,
        destroy=lambda: None, try_fetch=fetch,
    )  # fmt: skip

    class Harvester:
        device_info_list = [object()] * devices

        def add_file(self, path):
            assert path.endswith(".cti")

        def update(self):
            pass

        def create(self, which):
            if which != 0:
                raise ValueError("no such device")
            return device

        def reset(self):
            pass

    return {"Harvester": Harvester}


@pytest.fixture
def producer(tmp_path, monkeypatch):
    (tmp_path / "maker.cti").touch()
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(tmp_path))


def test_genicam(monkeypatch, producer):
    module(monkeypatch, "harvesters.core", **fake_harvesters(Sensor()))
    check_alternation("genicam:", "genicam:")


@pytest.mark.parametrize(
    ("spec", "fake", "sentence"),
    [
        ("genicam:99", {}, "no such device"),
        ("genicam:", {"devices": 0}, "No GenICam camera was found"),
        ("genicam:", {"data_format": "BayerRG8"}, "set its PixelFormat to Mono8"),
    ],
)
def test_a_genicam_that_does_not_work(monkeypatch, producer, spec, fake, sentence):
    module(monkeypatch, "harvesters.core", **fake_harvesters(Sensor(), **fake))
    with pytest.raises(CameraError, match=sentence):
        open_camera(spec, AS_IT_COMES)


def test_genicam_without_a_producer(monkeypatch):
    monkeypatch.delenv("GENICAM_GENTL64_PATH", raising=False)
    module(monkeypatch, "harvesters.core", **fake_harvesters(Sensor()))
    with pytest.raises(CameraError, match=r"No GenTL producer \(\.cti\)"):
        open_camera("genicam:")


@pytest.mark.parametrize(
    ("spec", "package"), [("picamera2:", "picamera2"), ("pylon:", "pypylon"), ("genicam:", "harvesters")]
)
def test_a_package_that_is_missing(monkeypatch, spec, package):
    for name in (package, f"{package}.pylon", f"{package}.core"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CameraError, match=f"needs the Python package {package}.*install it with"):
        open_camera(spec)
