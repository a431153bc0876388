"""The whole jobs from Python."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from pictures import rgb_exposures

import streamfuse
from streamfuse.errors import InputError, OutputExistsError, UsageError

SAMPLE = "sample:?frames=8&size=96x64"


def arrays(count=8, size="96x64"):
    return [frame.rgb() for frame in streamfuse.open_source(f"sample:?frames={count}&size={size}")]


def test_all_names_are_there_and_documented():
    for name in streamfuse.__all__:
        assert name == "__version__" or getattr(streamfuse, name).__doc__, name


def test_a_file_is_fused_as_on_the_command_line(tmp_path):
    told = []
    summary = streamfuse.fuse_file(SAMPLE, tmp_path / "out.mkv", preset="fast", progress=told.append)
    assert (summary.frames_in, summary.frames_out, summary.preset) == (8, 8, "fast")
    assert summary.outputs == (str(tmp_path / "out.mkv"),)
    assert told
    assert "frames" in str(told[-1])
    with pytest.raises(OutputExistsError):
        streamfuse.fuse_file(SAMPLE, tmp_path / "out.mkv")
    with pytest.raises(UsageError, match="Config"):
        streamfuse.fuse_file(SAMPLE, "null:", config={})  # type: ignore[arg-type]


def test_the_default_preset_is_that_of_the_command_line():
    assert streamfuse.fuse_file(SAMPLE, "null:").preset == "balanced"


def test_a_run_can_be_cancelled(tmp_path):
    cancel = threading.Event()
    summary = streamfuse.fuse_file(
        "sample:?frames=2000&size=96x64", tmp_path / "out.mkv", preset="fast", cancel=cancel,
        progress=lambda now: cancel.set() if now.frames > 4 else None,
    )  # fmt: skip
    assert summary.interrupted
    assert 4 < summary.frames_out < 2000
    assert len(list(streamfuse.open_source(tmp_path / "out.mkv"))) == summary.frames_out


def test_arrays_are_fused_one_by_one():
    asked = []

    def captured():
        for number, picture in enumerate(arrays(30)):
            asked.append(number)
            yield picture

    frames = streamfuse.fuse_frames(captured(), fps=20, preset="fast")
    first = next(frames)
    assert len(asked) < 30  # no more are taken than are needed
    rest = list(frames)
    assert [frame.index for frame in (first, *rest)] == list(range(30))
    assert [frame.time for frame in (first, *rest)] == pytest.approx([number / 20 for number in range(30)])
    assert first.rgb().shape == (64, 96, 3)


def test_arrays_are_fused_as_a_file_of_them_is():
    from_file = [frame.rgb().astype(int) for frame in streamfuse.fuse_video("sample:?frames=12&size=96x64")]
    from_arrays = [frame.rgb().astype(int) for frame in streamfuse.fuse_frames(arrays(12))]
    for one, other in zip(from_file, from_arrays, strict=True):
        assert np.abs(one - other).mean() < 2  # chroma of 4:2:0 there, of 4:4:4 here


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_and_deep_arrays_are_fused(kind):
    pictures = [(picture[..., 1].astype(kind) * (257 if kind == np.uint16 else 1)) for picture in arrays(10)]
    fused = list(streamfuse.fuse_frames(pictures, preset="fast"))
    assert len(fused) == 10
    assert fused[0].rgb().dtype == kind


def test_arrays_of_different_kinds_are_refused():
    mixed = [*arrays(8), np.zeros((64, 96, 3), np.uint16)]
    with pytest.raises(InputError, match=r"Picture 8 is 96x64 of 16 bit and the first is 96x64 of 8 bit"):
        list(streamfuse.fuse_frames(mixed, preset="fast"))
    with pytest.raises(InputError, match="empty"):
        list(streamfuse.fuse_frames([]))
    with pytest.raises(UsageError, match="leave out alpha"):
        list(streamfuse.fuse_frames([np.zeros((8, 8, 4), np.uint8)]))


def test_a_camera_is_fused_until_the_loop_ends():
    before = threading.active_count()
    frames = streamfuse.fuse_live("sim:?size=96x64&rate=30", preset="fast")
    seen = []
    for frame in frames:
        seen.append(frame)
        if len(seen) == 10:
            break
    frames.close()
    assert [frame.index for frame in seen] == sorted({frame.index for frame in seen})
    deadline = time.monotonic() + 10
    while (
        threading.active_count() > before + 2 and time.monotonic() < deadline
    ):  # pools of the aligner may stay
        time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamfuse live")]


@pytest.mark.slow
def test_a_program_that_leaves_the_loop_and_ends_does_so_in_peace():
    code = (
        "import streamfuse\n"
        "frames = streamfuse.fuse_live('sim:?size=96x64&rate=60', preset='fast')\n"
        "next(frames)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_camera_that_ends_ends_the_loop():
    # What comes before the preset has been timed, a second or two, is not fused.
    assert len(list(streamfuse.fuse_live("sim:?size=96x64&rate=20&frames=200", preset="fast"))) > 5


def test_what_is_no_camera_is_refused():
    with pytest.raises(UsageError, match="camera"):
        streamfuse.fuse_live(b"0")  # type: ignore[arg-type]
    with pytest.raises(streamfuse.StreamfuseError):
        next(streamfuse.fuse_live("/dev/video99"))


def test_frames_and_arrays_are_published(tmp_path):
    endpoint = f"pub+bind:ipc://{tmp_path}/socket"
    picture = np.full((64, 96, 3), 90, np.uint8)
    received = []

    def listen():
        for frame in streamfuse.subscribe(f"ipc://{tmp_path}/socket", timeout=10):
            received.append(frame)

    reader = threading.Thread(target=listen)
    with streamfuse.publish(endpoint) as publisher:
        publisher.send(picture)  # opens the endpoint
        reader.start()
        deadline = time.monotonic() + 10
        while len(received) < 3 and time.monotonic() < deadline:
            publisher.send(picture)
            time.sleep(0.02)
    reader.join(15)
    numbers = [frame.index for frame in received]
    assert len(numbers) >= 3
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert np.abs(received[0].rgb().astype(int) - 90).max() <= 1
    with pytest.raises(UsageError, match="no endpoint"):
        streamfuse.publish("out.mp4")


def test_own_arrays_are_written(tmp_path):
    with streamfuse.open_sink(tmp_path / "own.mkv", (96, 64), 24) as sink:
        for level in range(5):
            sink.write(np.full((64, 96, 3), 40 * level, np.uint8))
        with pytest.raises(UsageError, match="opened for 96x64"):
            sink.write(np.zeros((32, 32, 3), np.uint8))
    with streamfuse.open_source(tmp_path / "own.mkv") as source:
        frames = list(source)
        assert source.info.rate == 24
    assert [round(frame.rgb().mean() / 40) for frame in frames] == [0, 1, 2, 3, 4]


def test_a_frame_gives_what_other_libraries_take(tmp_path):
    frame = next(streamfuse.fuse_video(SAMPLE, preset="fast"))
    np.testing.assert_array_equal(frame.bgr(), frame.rgb()[..., ::-1])
    assert frame.bgr().flags.c_contiguous
    assert tuple(frame.tensor().shape) == (3, 64, 96)
    np.testing.assert_array_equal(frame.tensor().numpy().transpose(1, 2, 0), frame.rgb())
    frame.save(tmp_path / "one.png")
    with pytest.raises(OutputExistsError):
        frame.save(tmp_path / "one.png")
    frame.save(tmp_path / "one.png", overwrite=True)
    (read,) = streamfuse.open_source(str(tmp_path / "one.png"))
    assert np.abs(read.rgb().astype(int) - frame.rgb()).max() <= 1
    assert frame == frame  # noqa: PLR0124 (frames of arrays can be compared, by what they are)
    assert len({frame, read}) == 2


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_are_fused_as_arrays_are(kind, channels):
    import torch

    pictures = [picture[..., :channels] for picture in rgb_exposures(40, 56, 3)]
    fuser = streamfuse.Fuser("fast", "cpu")
    expected = fuser([picture if channels == 3 else picture[..., 0] for picture in pictures])
    stack = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
    if kind != "uint8":
        stack = stack.to(getattr(torch, kind)) / 255
    fused = fuser(stack)
    assert (fused.dtype, tuple(fused.shape)) == (stack.dtype, (channels, 40, 56))
    codes = fused.numpy().transpose(1, 2, 0) * (1 if kind == "uint8" else 255)
    np.testing.assert_allclose(codes.squeeze(), expected, atol=0 if kind == "uint8" else 0.6)
    batch = fuser(torch.stack([stack, stack.flip(0)]))
    assert tuple(batch.shape) == (2, channels, 40, 56)
    assert torch.equal(batch[0], fused)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 3, 8, 8), (2, 4, 8, 8), (1, 1, 2, 3, 8, 8)])
def test_tensors_that_are_no_pictures_are_refused(shape):
    import torch

    with pytest.raises(UsageError, match="tensor of pictures"):
        streamfuse.Fuser("fast", "cpu")(torch.zeros(shape))
    with pytest.raises(UsageError, match="convert"):
        streamfuse.Fuser("fast", "cpu")(torch.zeros((2, 3, 8, 8), dtype=torch.int64))
