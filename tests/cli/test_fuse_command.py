"""`streamfuse fuse`: every kind of input and the options that change the picture."""

import json

import av
import cv2
import numpy as np
import pytest
import torch
from runs import (
    SAMPLE,
    alternating_video,
    fuse,
    image_folder,
    pictures_of,
    streamfuse,
    video_per_exposure,
    write_video,
)

from streamfuse.synthetic.sample_source import open_sample

PROMISED = {
    *("frames_in", "frames_out", "fps", "cycle", "order", "gap_ev", "drops_detected", "repaired_pairs"),
    *("passed_through", "warnings"),
    *("device", "preset", "fuser", "delay_frames", "outputs"),
}


def test_the_summary_has_what_the_interface_promises(tmp_path):
    out = tmp_path / "o.mkv"
    result = streamfuse("fuse", SAMPLE, "-o", out, "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert set(summary) >= PROMISED
    assert (summary["frames_in"], summary["frames_out"], summary["cycle"]) == (8, 8, 2)
    assert summary["order"] == ["under", "over"]
    assert summary["gap_ev"] == pytest.approx(3, abs=0.3)
    assert (summary["drops_detected"], summary["repaired_pairs"]) == (0, 0)
    assert (summary["device"], summary["preset"], summary["fuser"]) == ("cpu", "balanced", "lcndr-s")
    assert summary["outputs"] == [str(out)]
    assert summary["fps"] > 0
    assert 0 < summary["delay_frames"] < 8
    pictures = pictures_of(out)
    assert [p.shape for p in pictures] == [(90, 160, 3)] * 8
    assert 60 < np.mean(pictures) < 180


def test_what_was_found_is_told_on_standard_error(tmp_path):
    result = streamfuse("fuse", SAMPLE, "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "Found 2 exposures, in the order under, over" in result.stderr
    assert "8 frames from 8" in result.stderr


def test_frames_without_a_partner_are_told(tmp_path):
    with open_sample(SAMPLE) as source:
        taken = [frame.planes for frame in source]
        title = tuple(np.full_like(plane, code) for plane, code in zip(taken[0], (60, 128, 128), strict=True))
        clip = write_video(tmp_path / "a.mkv", enumerate([title] * 9 + taken), source.info, codec="ffv1")
    summary = fuse(clip, "-o", tmp_path / "o.mkv", "--codec", "ffv1")
    assert (summary.passed_through, summary.passed_through_at) == (9, [[0, 8]])
    assert (summary.order, summary.warnings) == (["under", "over"], [])
    assert np.ptp(pictures_of(tmp_path / "o.mkv")[4]) <= 3
    told = streamfuse("fuse", clip, "-o", tmp_path / "p.mkv").stderr
    assert "No alternation here: 9 frames without a partner stayed as they were (0 to 8)." in told


def test_a_film_that_never_alternates_leaves_no_output(tmp_path):
    with open_sample("sample:?frames=60&size=96x64&cycle=1") as source:
        clip = write_video(tmp_path / "a.mkv", ((n, f.planes) for n, f in enumerate(source)), source.info)
    result = streamfuse("fuse", clip, "-o", tmp_path / "o.mkv")
    assert result.exit_code == 1
    assert "do not alternate" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_quiet_says_nothing(tmp_path):
    result = streamfuse("fuse", SAMPLE, "-o", tmp_path / "o.mkv", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_the_fused_picture_shows_what_no_single_exposure_shows():
    import streamfuse
    from streamfuse.synthetic.sample_source import open_sample

    source = open_sample("sample:?frames=4&size=160x90&noise=off")
    for fused in streamfuse.fuse_video("sample:?frames=4&size=160x90&noise=off"):
        under, over = (planes[0].astype(float) for planes in source.exposures_at(fused.index))
        shadows, window = under < 50, over >= 234
        assert min(shadows.mean(), window.mean()) > 0.1
        # the room is lighter than in the dark exposure, and the window shows the detail that the bright one lost
        assert fused.luma[shadows].mean() > under[shadows].mean() + 5
        assert over[window].std() < 1
        assert fused.luma[window].std() > 5
        assert fused.luma[window].mean() < 230


def test_half_rate_gives_one_frame_for_each_bracket(tmp_path):
    summary = fuse(SAMPLE, "-o", tmp_path / "o.mkv", "--rate", "half")
    assert (summary.frames_in, summary.frames_out) == (8, 4)
    assert len(pictures_of(tmp_path / "o.mkv")) == 4


def test_the_number_of_threads_can_be_set(tmp_path):
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        fuse(SAMPLE, "-o", tmp_path / "o.mkv", "--threads", "3")
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)  # for each of three brackets
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_side_by_side_is_three_pictures_wide(tmp_path):
    fuse(SAMPLE, "-o", tmp_path / "o.mkv", "--side-by-side", "--crf", "0")
    fuse(SAMPLE, "-o", tmp_path / "alone.mkv", "--crf", "0")
    wide, alone = pictures_of(tmp_path / "o.mkv"), pictures_of(tmp_path / "alone.mkv")
    assert wide[0].shape == (90, 480, 3)
    under, over, fused = np.split(wide[3].astype(int), 3, axis=1)
    assert under.mean() < fused.mean() < over.mean()
    # away from the border, where the decoder interpolates chroma across the panels
    assert np.abs(fused - alone[3])[:, 4:].max() <= 1


def test_odd_sizes_side_by_side(tmp_path):
    fuse("sample:?frames=3&size=161x91", "-o", tmp_path / "o.mkv", "--side-by-side")
    assert pictures_of(tmp_path / "o.mkv")[0].shape == (91, 3 * 162, 3)


def test_dump_stages_writes_pictures_of_each_stage(tmp_path):
    fuse(SAMPLE, "-o", "null:", "--dump-stages", tmp_path / "dump")
    names = {path.name.split("-", 1)[1] for path in (tmp_path / "dump").iterdir()}
    assert {"0-exposure-reference.png", "1-exposure-aligned.png", "1-trust.png", "fused.png"} <= names
    assert {"0-weight-level0.png", "1-weight-level5.png", "gain-level0.png"} <= names
    for path in (tmp_path / "dump").iterdir():
        assert cv2.imread(str(path)).shape == (90, 160, 3)


def test_a_range_of_frames(tmp_path):
    summary = fuse(SAMPLE, "-o", tmp_path / "part.mkv", "--frames", "2:6")
    assert summary.frames_out == 4
    assert fuse(SAMPLE, "-o", tmp_path / "rest.mkv", "--frames", "5:").frames_out == 3


def test_a_part_in_the_middle_is_the_same_as_in_the_whole(tmp_path):
    video = alternating_video(tmp_path / "clip.mkv", "sample:?frames=40&size=96x64", crf=0)
    whole, part = tmp_path / "whole", tmp_path / "part"
    fuse(video, "-o", whole, "--preset", "fast")
    fuse(video, "-o", part, "--preset", "fast", "--frames", "2:40")
    # Away from the ends, where fewer neighbours are known: smoothing looks at seven instants before, the gap at twelve.
    for n in range(28, 37):
        a, b = (cv2.imread(str(folder / f"frame_{n:05d}.png")) for folder in (whole, part))
        np.testing.assert_array_equal(a, b)


def test_an_output_is_not_replaced_unasked(tmp_path):
    out = tmp_path / "o.mkv"
    out.write_text("mine")
    refused = streamfuse("fuse", SAMPLE, "-o", out)
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert out.read_text() == "mine"
    assert fuse(SAMPLE, "-o", out, "--overwrite").frames_out == 8
    assert len(pictures_of(out)) == 8


def fused_lumas(**options):
    from streamfuse import fuse_video

    return [frame.luma.astype(int) for frame in fuse_video("sample:?frames=6&size=96x64", **options)]


@pytest.mark.parametrize(
    ("option", "value"),
    [("smooth", "off"), ("align", "off"), ("align", "global"), ("fuser", "mertens"), ("fuser", "lcndr-xs")],
)
def test_each_option_changes_the_picture(option, value):
    plain, other = fused_lumas(preset="balanced"), fused_lumas(preset="balanced", **{option: value})
    assert len(plain) == len(other) == 6
    assert max(np.abs(a - b).max() for a, b in zip(plain, other, strict=True)) > 0
    assert all(abs(a.mean() - b.mean()) < 25 for a, b in zip(plain, other, strict=True))


def test_two_runs_are_identical():
    for a, b in zip(fused_lumas(), fused_lumas(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_options_reach_the_summary(tmp_path):
    mertens = fuse(SAMPLE, "-o", "null:", "--fuser", "mertens", "--smooth", "off", "--align", "off")
    assert mertens.fuser == "mertens"
    fast = fuse(SAMPLE, "-o", "null:", "--preset", "fast")
    assert (fast.preset, fast.fuser) == ("fast", "lcndr-xs")
    assert mertens.delay_frames < fast.delay_frames


def test_one_video_per_exposure(tmp_path):
    under, over = video_per_exposure(tmp_path, crf=0)
    # lossless: libx264 does not store the same frames in the same way each time
    summary = fuse(under, over, "-o", tmp_path / "o.mkv", "--codec", "ffv1")
    assert (summary.frames_in, summary.frames_out, summary.cycle) == (16, 8, 2)
    swapped = fuse(over, under, "-o", tmp_path / "s.mkv", "--codec", "ffv1")
    assert swapped.frames_out == 8
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.streams.video[0].average_rate == 30  # that of each file
    for a, b in zip(pictures_of(tmp_path / "o.mkv"), pictures_of(tmp_path / "s.mkv"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_frame_that_one_of_two_files_has_lost_moves_no_other(tmp_path):
    under, over = video_per_exposure(tmp_path, crf=0)
    with open_sample(SAMPLE) as source:
        kept = [(n, source.exposures_at(n)[1]) for n in range(8) if n != 3]
        holed = write_video(tmp_path / "holed.mkv", kept, source.info, crf=0)
    options = ("--codec", "ffv1", "--fuser", "mertens", "--smooth", "off")
    assert fuse(under, over, "-o", tmp_path / "whole.mkv", *options).warnings == []
    summary = fuse(under, holed, "-o", tmp_path / "o.mkv", *options)
    assert summary.frames_out == 7
    assert "1 frame has no partner of the same instant" in summary.warnings[0]
    whole, rest = pictures_of(tmp_path / "whole.mkv"), pictures_of(tmp_path / "o.mkv")
    for a, b in zip([*whole[:3], *whole[4:]], rest, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 1
    assert fuse(under, over, "-o", tmp_path / "late.mkv", *options, "--offset", "0.1").frames_out == 5
    result = streamfuse("fuse", SAMPLE, "-o", tmp_path / "x.mkv", "--offset", "1")
    assert result.exit_code == 2
    assert "--offset is for two videos" in result.stderr


def test_a_folder_of_pictures_and_a_pattern(tmp_path):
    folder = image_folder(tmp_path / "in")
    assert fuse(folder, "-o", tmp_path / "o.mkv", "--fps", "24").frames_out == 8
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.streams.video[0].average_rate == 24
    assert fuse(folder / "*.png", "-o", tmp_path / "out").frames_out == 8
    assert len(list((tmp_path / "out").glob("*.png"))) == 8


def test_three_exposures(tmp_path):
    summary = fuse("sample:?frames=9&size=96x64&cycle=3&gap=2", "-o", tmp_path / "o.mkv", "--cycle", "3")
    assert (summary.cycle, summary.order, summary.frames_out) == (3, ["under", "mid", "over"], 9)


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_sidecar_says_the_exposures(tmp_path, suffix):
    rows = [{"frame": n, "exposure_us": 500 if n % 2 == 0 else 3200} for n in range(8)]
    sidecar = tmp_path / f"exposures.{suffix}"
    lines = ["frame,exposure_us", *(f"{row['frame']},{row['exposure_us']}" for row in rows)]
    sidecar.write_text(json.dumps(rows) if suffix == "json" else "\n".join(lines))
    summary = fuse(image_folder(tmp_path / "in"), "-o", "null:", "--exposures", sidecar)
    assert summary.gap_ev == pytest.approx(np.log2(6.4), abs=0.01)
    assert summary.order == ["under", "over"]


def test_the_first_exposure_is_found_or_given(tmp_path):
    over_first = "sample:?frames=6&size=96x64&first=over"
    assert fuse(over_first, "-o", "null:").order == ["over", "under"]
    assert fuse(over_first, "-o", "null:", "--over-first").order == ["over", "under"]
    assert fuse(SAMPLE, "-o", "null:", "--first", "under").order == ["under", "over"]


def test_lost_frames_are_counted_and_repaired():
    summary = fuse("sample:?frames=40&size=96x64&drop=0.1&seed=3", "-o", "null:", "--preset", "fast")
    assert summary.frames_in == summary.frames_out < 40
    assert summary.drops_detected > 0


@pytest.mark.parametrize("bits", ["8", "10"])
def test_bit_depth(tmp_path, bits):
    fuse(f"sample:?frames=3&size=96x64&bits={bits}", "-o", tmp_path / "o.mkv")
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.streams.video[0].format.components[0].bits == int(bits)


def test_settings_come_from_a_file_and_options_win(tmp_path):
    settings = tmp_path / "mine.yaml"
    settings.write_text("fuse: {preset: fast}\ninput: {rate: half}\n")
    assert fuse(SAMPLE, "-o", "null:", "--config", settings).frames_out == 4
    summary = fuse(SAMPLE, "-o", "null:", "--config", settings, "--rate", "full")
    assert (summary.frames_out, summary.fuser) == (8, "lcndr-xs")


def test_time_stamps_and_rate_are_the_inputs(tmp_path):
    video = alternating_video(tmp_path / "in.mkv", "sample:?frames=6&size=96x64&rate=24")
    fuse(video, "-o", tmp_path / "o.mkv")

    def times(path):
        with av.open(str(path)) as container:
            return [round(float(frame.time), 3) for frame in container.decode(video=0)]

    assert times(tmp_path / "o.mkv") == times(video)


def test_a_bracket_into_one_picture_is_a_photograph(tmp_path):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    for number, gain in enumerate((0.25, 0.5, 1.0)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), (ramp * gain).astype(np.uint8))
    out = tmp_path / "fused" / "out.png"
    out.parent.mkdir()
    assert streamfuse("fuse", tmp_path, "-o", out).exit_code == 0
    assert cv2.imread(str(out), cv2.IMREAD_UNCHANGED).shape[:2] == ramp.shape


def test_dumped_pictures_of_another_run_are_replaced_only_if_asked_and_when_all_are_there(tmp_path):
    dump = tmp_path / "dump"
    fuse(SAMPLE, "-o", "null:", "--dump-stages", dump)
    (dump / "notes.png").write_bytes(b"mine")
    stale = dump / "000770-fused.png"
    stale.write_bytes(b"of another run")
    before = {path.name: path.read_bytes() for path in dump.iterdir()}
    refused = streamfuse("fuse", SAMPLE, "-o", "null:", "--dump-stages", dump)
    assert refused.exit_code == 1
    assert "pictures of another run" in refused.stderr
    bad = tmp_path / "out.webm"
    failed = streamfuse(
        "fuse", "sample:?frames=8&size=160x90&seed=2", "-o", bad, "--codec", "nonsense_x",
        "--dump-stages", dump, "--overwrite",
    )  # fmt: skip
    assert failed.exit_code != 0
    assert {path.name: path.read_bytes() for path in dump.iterdir() if path.is_file()} == before
    fuse(SAMPLE + "&seed=3", "-o", "null:", "--dump-stages", dump, "--overwrite")
    after = {path.name: path.read_bytes() for path in dump.iterdir()}
    assert (set(after), after["notes.png"]) == (set(before) - {stale.name}, b"mine")
    assert after["000000-fused.png"] != before["000000-fused.png"]
