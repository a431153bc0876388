"""Whatever is wrong with the input: one clear sentence, an exit status, and nothing unplayable left behind."""

import os
import resource
from pathlib import Path

import cv2
import pytest
from runs import (
    SAMPLE,
    alternating_video,
    image_folder,
    pictures_of,
    sound,
    start,
    streamfuse,
    video_per_exposure,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*arguments, code=1, outputs=("o.mkv",)):
    """The sentence with which a command is refused."""
    result = streamfuse(*arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "Traceback" not in result.output
    assert "Internal error" not in result.output
    assert result.stdout == ""
    assert not any(Path(output).exists() for output in outputs)
    return errors[0].removeprefix("Error: ")


def fuse_refused(*inputs, **options):
    return refused("fuse", *inputs, "-o", "o.mkv", **options)


def test_a_missing_file(folder):
    assert "missing.mp4" in fuse_refused("missing.mp4")
    assert "no file matches" in fuse_refused("missing-*.png").lower()


def test_an_address_that_is_no_endpoint(folder):
    text = fuse_refused("tcp://127.0.0.1:5", code=2)
    assert "sub:tcp://127.0.0.1:5" in text and "pull:tcp://127.0.0.1:5" in text
    text = fuse_refused("rtsp://me:secret@127.0.0.1:5/x", code=2)
    assert "streamfuse live" in text and "secret" not in text


def test_a_folder_without_pictures(folder):
    (folder / "empty").mkdir()
    assert "no images" in fuse_refused("empty")


def test_files_that_are_no_film(folder):
    (folder / "text.mp4").write_text("this is no film\n" * 50)
    assert "text.mp4 is not a video" in fuse_refused("text.mp4")
    (folder / "empty.mp4").touch()
    assert "empty.mp4 is empty" in fuse_refused("empty.mp4")


def test_a_truncated_mp4(folder):
    data = alternating_video(folder / "whole.mp4", "sample:?frames=20&size=96x64").read_bytes()
    # an ordinary MP4 keeps its index at the end
    (folder / "cut.mp4").write_bytes(data[:64])
    assert "cut.mp4" in fuse_refused("cut.mp4")


def test_a_recording_that_breaks_off_gives_what_is_there(folder):
    data = alternating_video(folder / "whole.mkv", "sample:?frames=30&size=96x64").read_bytes()
    (folder / "cut.mkv").write_bytes(data[: 2 * len(data) // 3])
    result = streamfuse("fuse", "cut.mkv", "-o", "o.mkv", "--preset", "fast")
    if result.exit_code == 0:
        assert 0 < len(pictures_of("o.mkv")) < 30
    else:
        assert "Error: " in result.stderr


def test_no_frames_in_the_range(folder):
    assert "no frame" in fuse_refused(SAMPLE, "--frames", "100:")
    video = alternating_video(folder / "clip.mkv")
    assert "no frame 100" in fuse_refused(video, "--frames", "100:")
    assert "only one frame" in fuse_refused(SAMPLE, "--frames", "2:3")
    assert "5:2" in fuse_refused(SAMPLE, "--frames", "5:2", code=2)
    assert "A:B" in fuse_refused(SAMPLE, "--frames", "some", code=2)


def test_frames_of_different_sizes(folder):
    frames = image_folder(folder / "frames")
    cv2.imwrite(str(frames / "0005.png"), cv2.imread(str(frames / "0005.png"))[:-2])
    message = fuse_refused("frames")
    assert "0005.png is 160x88" in message
    assert "160x90" in message


def test_videos_of_different_sizes(folder):
    under, _ = video_per_exposure(folder)
    other = alternating_video(folder / "other.mkv", "sample:?frames=8&size=96x64")
    message = fuse_refused(under, other)
    assert "160x90" in message
    assert "96x64" in message


@pytest.mark.parametrize("frames", [8, 40])
def test_frames_of_one_exposure(folder, frames):
    image_folder(folder / "frames", f"sample:?frames={frames}&size=96x64&noise=off", only=1)
    assert "do not alternate in exposure" in fuse_refused("frames")


def test_an_output_that_cannot_be_written(folder):
    assert "no folder nowhere" in refused("fuse", SAMPLE, "-o", "nowhere/o.mkv", outputs=["nowhere"])
    (folder / "taken").mkdir()
    (folder / "taken.mkv").mkdir()
    assert "is a folder" in refused("fuse", SAMPLE, "-o", "taken.mkv", outputs=[])
    assert "does not name an output" in refused("fuse", SAMPLE, "-o", "o.xyz", outputs=["o.xyz"], code=2)
    (folder / "file").touch()
    assert "file" in refused("fuse", SAMPLE, "-o", "file/o.mkv", outputs=[])


def test_the_input_is_never_the_output(folder):
    video = alternating_video(folder / "clip.mkv")
    before = video.read_bytes()
    assert "input" in refused("fuse", video, "-o", video, "--overwrite", outputs=[], code=2)
    assert video.read_bytes() == before


def test_unknown_codecs_and_formats(folder):
    assert "'h265'" in fuse_refused(SAMPLE, "--codec", "h265", code=2)
    assert "no video encoder 'libnothing'" in fuse_refused(SAMPLE, "--codec", "libnothing", code=2)
    assert "yuv999" in fuse_refused(SAMPLE, "--pix-fmt", "yuv999", code=2)
    assert "16 bit" in fuse_refused(SAMPLE, "--bits", "16", code=2)
    assert "cannot hold" in refused(
        "fuse", SAMPLE, "-o", "o.webm", "--codec", "h264", outputs=["o.webm"], code=2
    )
    assert "odd sizes" in fuse_refused("sample:?frames=4&size=161x91", "--pix-fmt", "yuv420p", code=2)


def test_sound_without_a_picture(folder):
    sound(folder / "sound.m4a")
    assert "no video stream" in fuse_refused("sound.m4a")


def test_misspelt_settings(folder):
    (folder / "mine.yaml").write_text("fuse: {preest: fast}\n")
    assert "did you mean 'fuse.preset'" in fuse_refused(SAMPLE, "--config", "mine.yaml", code=2)
    assert "did you mean 'fuse.preset'" in refused("config", "check", "mine.yaml", code=2)
    assert "no configuration 'fsat'" in fuse_refused(SAMPLE, "--config", "fsat", code=2)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("sample:?frmes=3", "did you mean 'frames'"),
        ("sample:?size=big", "'big' does not fit the option 'size'"),
        ("sample:?frames=0", "1 or more"),
        ("sample:?size=4x4", "16..8192"),
    ],
)
def test_misspelt_sample_options(folder, spec, says):
    assert says in fuse_refused(spec, code=2)


def test_unknown_devices_fusers_and_rates(folder):
    assert "CUDA devices were found" in fuse_refused(SAMPLE, "--device", "cuda:99")
    assert "'tpu'" in fuse_refused(SAMPLE, "--device", "tpu", code=2)
    assert "'magic'" in fuse_refused(SAMPLE, "--fuser", "magic", code=2)
    assert "--fps '0'" in fuse_refused(SAMPLE, "--fps", "0", code=2)
    assert "missing.safetensors" in fuse_refused(SAMPLE, "--fuser", "missing.safetensors")


def test_wrong_sidecars(folder):
    (folder / "bad.csv").write_text("frame,light\n0,3\n")
    assert "bad.csv, line 1" in fuse_refused(SAMPLE, "--exposures", "bad.csv")
    assert "missing.csv" in fuse_refused(SAMPLE, "--exposures", "missing.csv")


def test_stages_that_cannot_be_dumped(folder):
    (folder / "file").touch()
    assert "--dump-stages" in fuse_refused(SAMPLE, "--dump-stages", "file/dump")


def test_a_program_error_is_told_without_a_traceback(folder, monkeypatch):
    from streamfuse.fusion.stage import BlendStage

    def broken(*_):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(BlendStage, "begin", broken)
    result = streamfuse("fuse", SAMPLE, "-o", "o.mkv")
    assert result.exit_code == 1
    assert "Internal error, please report it" in result.stderr
    assert "surprise" in result.stderr
    assert "Traceback" not in result.output
    assert not (folder / "o.mkv").exists()


@pytest.mark.slow
def test_a_full_disk_leaves_what_plays_and_says_so(folder):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    spec = "sample:?frames=200&size=160x90"
    process = start(
        "fuse", spec, "-o", "o.mkv", "--codec", "ffv1", "--preset", "fast", preexec_fn=little_room
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Error: o.mkv cannot be written" in errors
    assert "Traceback" not in errors
    if (folder / "o.mkv").exists():
        assert len(pictures_of("o.mkv")) > 0


def test_a_pipe_with_a_name(folder):
    os.mkfifo("pipe.mkv")
    assert "pipe.mkv is a pipe" in fuse_refused("pipe.mkv")


def test_the_same_file_for_two_exposures(folder):
    alternating_video(folder / "a.mkv")
    assert "named twice" in fuse_refused("a.mkv", "a.mkv", code=2)


def test_a_film_into_one_picture(folder):
    alternating_video(folder / "a.mkv")
    sentence = refused("fuse", "a.mkv", "-o", "one.jpg", code=2, outputs=("one.jpg",))
    assert "one.jpg is one picture" in sentence


def test_a_photograph_into_one_of_its_exposures(folder):
    picture = min(image_folder(folder / "in").iterdir())
    before = picture.read_bytes()
    sentence = refused("still", folder / "in", "-o", picture, "--overwrite", code=2, outputs=())
    assert "is one of the exposures" in sentence
    assert picture.read_bytes() == before


def test_a_film_that_is_cut_off_is_fused_as_far_as_it_goes_and_says_so(folder):
    path = alternating_video(folder / "a.mkv", "sample:?frames=24&size=160x90", codec="ffv1")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    result = streamfuse("fuse", path, "-o", "o.mkv", "--preset", "fast")
    assert result.exit_code == 0
    assert "promises 24 frames" in result.stderr
    assert 4 < len(pictures_of("o.mkv")) < 24


def test_a_first_exposure_that_the_frames_contradict(folder):
    alternating_video(folder / "a.mkv")
    result = streamfuse("fuse", "a.mkv", "-o", "o.mkv", "--first", "over", "--preset", "fast")
    assert result.exit_code == 0
    assert "--first over is not what the frames show: the first one is under-exposed" in result.stderr


def test_a_number_of_exposures_that_the_frames_contradict(folder):
    alternating_video(folder / "a.mkv")
    result = streamfuse("fuse", "a.mkv", "-o", "o.mkv", "--cycle", "3", "--preset", "fast")
    assert result.exit_code == 0
    assert "--cycle 3 is not what the frames show: 2 exposures were found and used" in result.stderr


def test_photographs_of_one_bracket_are_recognised(folder):
    image_folder(folder / "three", "sample:?frames=3&size=96x64&cycle=3")
    result = streamfuse("fuse", "three", "-o", "o.mkv", "--preset", "fast")
    assert result.exit_code == 0
    assert "looks like one bracket. `streamfuse still`" in result.stderr
    image_folder(folder / "film", "sample:?frames=12&size=96x64")
    assert "bracket" not in streamfuse("fuse", "film", "-o", "p.mkv", "--preset", "fast").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("fuse", SAMPLE, "-o", "o.xyz"),
        ("fuse", SAMPLE, "-o", "o.webm", "--codec", "prores"),
        ("fuse", SAMPLE, "-o", "o.mp4", "--pix-fmt", "nope"),
        ("fuse", "rtsp://127.0.0.1/cam", "-o", "o.mp4"),
        ("fuse", "0", "-o", "o.mp4"),
        ("record", "zmq://127.0.0.1:5556", "-o", "o.xyz"),
        ("export", "onnx", "o.onnx", "--fuser", "nope"),
        ("train", "nope.yaml"),
    ],
    ids=" ".join,
)
def test_what_is_asked_for_and_cannot_be_is_status_two(folder, arguments):
    refused(*arguments, code=2, outputs=())


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_no_output(folder):
    image_folder(folder / "in", "sample:?frames=2&size=96x64")
    sentence = refused("fuse", SAMPLE, "-o", "/dev/null", code=2, outputs=())
    assert "/dev/null is no file but a device" in sentence and "null:" in sentence
    assert "/dev/null is no file but a device" in refused("still", "in", "-o", "/dev/null", outputs=())


@pytest.mark.parametrize("name", ["loop.mp4", "loop.png", "loop.csv"])
def test_links_that_lead_nowhere(folder, name):
    (folder / name).symlink_to(name)
    (folder / "gone.mp4").symlink_to("nothing.mp4")
    if name == "loop.csv":
        assert "leads back to itself" in fuse_refused(SAMPLE, "--exposures", name)
        return
    assert f"{name} is a link that leads back to itself" in fuse_refused(name)
    assert "gone.mp4 is a link to nothing.mp4, which is not there" in fuse_refused("gone.mp4")
    (folder / "out.mkv").symlink_to("out.mkv")
    for more in ((), ("--overwrite",)):
        assert "out.mkv is a link that leads back" in refused(
            "fuse", SAMPLE, "-o", "out.mkv", *more, outputs=()
        )
