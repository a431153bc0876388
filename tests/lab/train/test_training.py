"""Training on a handful of tiny made-up stacks: it runs, learns, resumes, and says what is wrong."""

import cv2
import numpy as np
import pytest
import torch
from pictures import exposures
from small_runs import log, write_stack

from streamfuse.errors import ConfigError, DeviceError, InputNotFoundError, OutputError, WeightsError
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.fusion.models import load_weights, read_card
from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.train.data import Sampler, load_panoramas, load_stacks
from streamfuse.lab.train.loop import learning_rate, train


def test_three_steps_write_weights_that_fuse(config, tmp_path):
    lines = []
    written = train(
        config(networks={"a": {"widths": [8, 8, 8, 16]}, "b": {"widths": [8] * 4, "stem": 4}}), lines.append
    )
    assert sorted(written) == ["a", "b"]
    assert "from step 0" in lines[0]
    assert [(row["step"], row["network"]) for row in log(tmp_path / "out")] == [
        (str(step), name) for step in range(3) for name in "ab"
    ]
    for path in written.values():
        card = read_card(path)
        assert card["steps"] == "3"
        assert "mef_ssim=0." in card["validation"]
        fuser = LcndrFuser(str(path), "cpu")
        lumas = exposures(48, 64)
        assert np.isfinite(fuser.blend(lumas, fuser.weigh(lumas))).all()


def test_a_second_run_goes_on_where_the_first_ended(config, tmp_path):
    train(config(), lambda _: None)
    lines = []
    train(config(steps=5), lines.append)
    assert "from step 3" in lines[0]
    assert [int(row["step"]) for row in log(tmp_path / "out")] == [0, 1, 2, 3, 4]
    assert read_card(tmp_path / "out/tiny.safetensors")["steps"] == "5"
    state = torch.load(tmp_path / "out/checkpoint.pt", weights_only=True)
    assert state["step"] == 5
    assert state["learners"]["tiny"]["optimiser"]["state"][0]["step"] == 5


def test_a_run_that_logged_fewer_terms_goes_on_in_its_columns(config, tmp_path):
    train(config(), lambda _: None)
    lines = (tmp_path / "out/log.csv").read_text().splitlines()
    place = lines[0].split(",").index("gradient")
    old = [",".join(cell for n, cell in enumerate(line.split(",")) if n != place) for line in lines]
    (tmp_path / "out/log.csv").write_text("\n".join(old) + "\n")
    train(config(steps=5), lambda _: None)
    rows = log(tmp_path / "out")
    assert len(rows) == 5
    assert all(set(row) == set(old[0].split(",")) and float(row["loss"]) > 0 for row in rows)


def test_the_gradient_term_is_logged_and_drawn(config, tmp_path):
    for weight in (0, 0.5):
        out = tmp_path / str(weight)
        train(config(out=out, gradient=weight), lambda _: None)
        assert all((float(row["gradient"]) > 0) == (weight > 0) for row in log(out))
        assert "gradient" in (out / "curves.html").read_text(encoding="utf-8")


def test_white_balance_changes_what_is_learned_and_not_what_is_validated(config, tmp_path):
    rows, cards = [], []
    for amount in (0, 0.3, 0.6):
        run = config(out=tmp_path / str(amount), white_balance=amount, synthetic_share=0, learning_rate=1e-12)
        cards.append(read_card(train(run, lambda _: None)["tiny"])["validation"])
        rows.append(log(run.out))
    assert rows[0] != rows[1] != rows[2]
    assert cards[0] == cards[1] == cards[2]


def test_a_run_learns_from_a_moving_camera(config, tmp_path):
    still, moving = (
        config(
            out=tmp_path / name,
            camera_motion=motion,
            sequence_share=1,
            labelled_share=0,
            crop=[64, 96],
            steps=4,
        )
        for name, motion in (("still", 0), ("moving", 0.05))
    )
    for run in (still, moving):
        train(run, lambda _: None)
    temporal = [[float(row["temporal"]) for row in log(run.out)] for run in (still, moving)]
    assert min(temporal[1]) > 0
    assert temporal[0] != temporal[1]
    assert max(temporal[1]) < 0.1  # the motion is known


def test_a_finished_run_changes_nothing(config, tmp_path):
    path = train(config(), lambda _: None)["tiny"]
    before = path.read_bytes()
    assert train(config(), lambda _: None)["tiny"] == path
    assert path.read_bytes() == before


def test_the_same_seed_gives_the_same_weights(config, tmp_path):
    paths = [train(config(out=tmp_path / name), lambda _: None)["tiny"] for name in "xy"]
    first, second = (load_weights(path).state_dict() for path in paths)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = load_weights(train(config(out=tmp_path / "z", seed=1), lambda _: None)["tiny"]).state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_network_can_have_a_learning_rate_of_its_own(config, tmp_path):
    widths = {"widths": [8, 8, 8, 16]}
    weights = []
    for steps in (1, 3):
        run = config(
            networks={"slow": widths | {"learning_rate": 1e-12}, "fast": widths}, out=tmp_path / str(steps),
            steps=steps,
        )  # fmt: skip
        weights.append(
            {name: load_weights(path).state_dict() for name, path in train(run, lambda _: None).items()}
        )
    first, last = weights
    moved = {
        name: max(float((last[name][key] - first[name][key]).abs().max()) for key in first[name])
        for name in first
    }
    assert moved["slow"] < 1e-6
    assert moved["fast"] > 1e-5


def test_the_loss_goes_down(config, tmp_path):
    # one kind of sample and an average that follows at once: what is left is the descent
    run = config(
        steps=30, labelled_share=0, synthetic_share=0, ema=0.5, learning_rate=4e-3, validate_every=30
    )
    path = train(run, lambda _: None)["tiny"]
    loss = [float(row["loss"]) for row in log(tmp_path / "out")]
    assert np.mean(loss[-8:]) < 0.97 * np.mean(loss[:4])
    torch.manual_seed(run.seed)
    from streamfuse.fusion.lcndr import Lcndr

    untrained, trained = Lcndr(load_weights(path).config), load_weights(path)
    stack = torch.from_numpy(np.stack(exposures(96, 128, 3, 1)))[None]
    with torch.no_grad():
        scores = [float(MefSsim(stack)(net(stack))[0]) for net in (untrained, trained)]
    assert scores[1] > scores[0]


def test_learning_rate_rises_then_falls(config):
    run = config(steps=100, warm_up=10, learning_rate=1.0)
    rates = [learning_rate(step, run) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[100] == pytest.approx(0.01)


# data


def test_samples_are_brackets_from_dark_to_bright(stacks):
    everything = load_stacks(stacks / "stills/train") + load_stacks(stacks / "stills/reference")
    sampler = Sampler(everything, load_panoramas(stacks / "stills/hdr"), (48, 64), 0, 0.3, 0.4)
    kinds = set()
    for _ in range(40):
        (sample,) = sampler.batch(1)
        kinds.add(sample.label is not None)
        assert sample.noisy.shape == sample.clean.shape
        assert sample.noisy.dtype == sample.clean.dtype == np.float32
        assert sample.noisy.shape[0] in (2, 3, 4, 5)
        assert sample.noisy.shape[1:] == (48, 64)
        assert 0 <= sample.noisy.min() <= sample.noisy.max() <= 1
        means = sample.clean.mean(axis=(1, 2))
        assert (np.diff(means) >= -1e-3).all()
        assert sample.label is None or sample.label.shape == sample.clean.shape[1:]
    assert kinds == {True, False}


def test_the_same_seed_draws_the_same_samples(stacks):
    def draw(seed):
        sampler = Sampler(load_stacks(stacks / "stills/train"), [], (48, 64), seed)
        return [sampler.batch(1)[0].noisy for _ in range(3)]

    for a, b in zip(draw(1), draw(1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(draw(1), draw(2), strict=True))


def test_exposures_that_teach_nothing_are_left_out(tmp_path):
    write_stack(tmp_path / "scene", 1)
    for name, value in (("07", 0), ("08", 255)):
        cv2.imwrite(str(tmp_path / f"scene/{name}.jpg"), np.full((96, 128), value, np.uint8))
    (stack,) = load_stacks(tmp_path)
    assert len(stack.exposures) == 3
    assert [p.mean() for p in stack.exposures] == sorted(p.mean() for p in stack.exposures)


# errors


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_stacks(config, tmp_path, folder):
    (tmp_path / "empty/stills/train").mkdir(parents=True)
    with pytest.raises(InputNotFoundError, match=str(tmp_path / folder)):
        train(config(data=tmp_path / folder), lambda _: None)


@pytest.mark.parametrize("name", ["00.jpg", "pan.hdr"])
def test_an_unreadable_picture_is_named(tmp_path, name):
    write_stack(tmp_path / "scene", 1)
    for folder in (tmp_path, tmp_path / "scene"):
        (folder / name).write_text("no picture")
    load = load_panoramas if name.endswith("hdr") else load_stacks
    with pytest.raises(InputNotFoundError, match=f"{name} is not a readable picture"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("held_back", "says"),
    [([], "has to name a stack"), (["five"], "names five"), (["one", "two"], "leave one")],
)
def test_what_is_held_back_is_checked_before_training(config, held_back, says):
    with pytest.raises(ConfigError, match=says):
        train(config(held_back=held_back), lambda _: None)


def test_a_device_that_is_not_there(config):
    with pytest.raises(DeviceError):
        train(config(device="cuda:99"), lambda _: None)


def test_an_output_that_cannot_be_made(config, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        train(config(out=tmp_path / "file/out"), lambda _: None)


def test_a_checkpoint_that_does_not_fit(config, tmp_path):
    train(config(), lambda _: None)
    with pytest.raises(WeightsError, match="damaged or holds other networks"):
        train(config(networks={"tiny": {"widths": [8] * 4}}, steps=5), lambda _: None)
    with pytest.raises(WeightsError, match="damaged or holds other networks"):
        train(config(networks={"other": {"widths": [8, 8, 8, 16]}}, steps=5), lambda _: None)
    (tmp_path / "out/checkpoint.pt").write_bytes(b"rubbish")
    with pytest.raises(WeightsError, match="damaged or holds other networks"):
        train(config(steps=5), lambda _: None)


def test_a_run_may_begin_from_stored_weights(config, tmp_path):
    first = train(config(out=tmp_path / "first"))["tiny"]
    train(config(out=tmp_path / "second", start_from=tmp_path / "first", steps=1, learning_rate=1e-9))
    stored, begun = load_weights(first), load_weights(tmp_path / "second/tiny.safetensors")
    for a, b in zip(stored.parameters(), begun.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_stored_weights_of_another_size_are_refused(config, tmp_path):
    train(config(out=tmp_path / "first"))
    wider = {"tiny": {"widths": [8, 8, 8, 24]}}
    with pytest.raises(ConfigError, match="another size"):
        train(config(out=tmp_path / "second", start_from=tmp_path / "first", networks=wider))


def test_two_frames_of_a_scene_differ_in_noise_and_sharpness_only(stacks):
    kept = [s for s in load_stacks(stacks / "stills/train") if s.label is None]
    sampler = Sampler(kept, [], (64, 64), 1, labelled_share=0, synthetic_share=0, sequence_share=1)
    for _, sample in zip(range(4), sampler, strict=False):
        assert sample.again is not None
        assert not np.array_equal(sample.noisy, sample.again)
        assert np.abs(sample.noisy.mean((1, 2)) - sample.again.mean((1, 2))).max() < 0.01
        blurred = [cv2.blur(frame.transpose(1, 2, 0), (9, 9)) for frame in (sample.noisy, sample.again)]
        assert np.abs(blurred[0] - blurred[1]).mean() < 0.01


def test_the_course_of_a_run_is_drawn(config, tmp_path):
    train(config(networks={"tiny": {"widths": [8, 8, 8, 16]}, "other": {"widths": [8, 8, 8, 16]}}))
    page = (tmp_path / "out/curves.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 5
    assert "tiny" in page
    assert "other" in page


def test_some_brackets_are_compressed_or_displaced_and_the_target_is_not(stacks):
    kept = [s for s in load_stacks(stacks / "stills/train") if s.label is None]
    sampler = Sampler(kept, [], (64, 64), 5, labelled_share=0, synthetic_share=0, sequence_share=0)
    differences = [
        float(np.abs(sample.noisy - sample.clean).mean())
        for _, sample in zip(range(60), sampler, strict=False)
    ]
    assert 0.2 < np.mean([d > 0 for d in differences]) < 0.9
    assert max(differences) < 0.1
