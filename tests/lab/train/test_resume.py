"""A run that was interrupted, or that left something damaged behind, goes on or says what is in its way."""

import errno
import signal
import threading
from pathlib import Path

import pytest
import torch
from small_runs import log

from streamfuse.errors import ConfigError, OutputError, WeightsError
from streamfuse.fusion.models import load_weights, read_card, save_weights
from streamfuse.lab.train import loop
from streamfuse.lab.train.loop import train


def quiet(_):
    pass


def signal_in_step(monkeypatch, wanted, *numbers):
    """Send signals in the middle of step `wanted`, whose learning rate is asked for once."""
    real = loop.learning_rate

    def rate(step, run):
        if step == wanted:
            for number in numbers:
                signal.raise_signal(number)
        return real(step, run)

    monkeypatch.setattr(loop, "learning_rate", rate)


# interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_step_and_the_next_run_goes_on_there(config, tmp_path, monkeypatch, number):
    before, lines = signal.getsignal(number), []
    run = config(steps=5, validate_every=100)
    with monkeypatch.context() as patch:
        signal_in_step(patch, 2, number)
        with pytest.raises(KeyboardInterrupt):
            train(run, lines.append)
    assert signal.getsignal(number) == before
    assert "step 3 is kept" in lines[-1]
    assert not (tmp_path / "out/tiny.safetensors").exists()
    assert "from step 3" in (train(run, lines.append) and lines[2])
    assert [int(row["step"]) for row in log(tmp_path / "out")] == [0, 1, 2, 3, 4]
    assert read_card(tmp_path / "out/tiny.safetensors")["steps"] == "5"


def test_a_machine_that_fails_takes_only_the_steps_since_the_last_checkpoint(config, tmp_path, monkeypatch):
    real = loop.learning_rate

    def fails(step, run):
        if step == 3:
            raise RuntimeError("no power")
        return real(step, run)

    monkeypatch.setattr(loop, "_STORE_EVERY", 2)
    monkeypatch.setattr(loop, "learning_rate", fails)
    with pytest.raises(RuntimeError):
        train(config(steps=5, validate_every=100), quiet)
    assert torch.load(tmp_path / "out/checkpoint.pt", weights_only=True)["step"] == 2


def test_a_second_interrupt_does_not_wait_for_the_step(config, tmp_path, monkeypatch):
    signal_in_step(monkeypatch, 1, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(config(validate_every=100), quiet)
    assert len(log(tmp_path / "out")) == 1
    assert not (tmp_path / "out/checkpoint.pt").exists()


def test_signals_that_someone_else_handles_are_left_alone(config, monkeypatch):
    seen = []
    signal_in_step(monkeypatch, 1, signal.SIGTERM)
    previous = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        train(config(), quiet)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert seen == [1]


def test_a_run_may_be_in_any_thread(config):
    written = []
    thread = threading.Thread(target=lambda: written.append(train(config(), quiet)))
    thread.start()
    thread.join()
    assert written


# the log


@pytest.mark.parametrize("torn", ["", "2,ti", "2,tiny,0.1"])
def test_steps_after_the_checkpoint_are_logged_once(config, tmp_path, torn):
    train(config(steps=2), quiet)
    path = tmp_path / "out/log.csv"
    late = path.read_text().splitlines()[-1].partition(",")[2]
    path.write_text(path.read_text() + f"2,{late}\n3,{late}\n" + torn)
    train(config(steps=5), quiet)
    assert [int(row["step"]) for row in log(tmp_path / "out")] == [0, 1, 2, 3, 4]


def test_a_number_that_was_cut_off_is_not_taken_for_another(config, tmp_path):
    train(config(steps=2), quiet)
    path = tmp_path / "out/log.csv"
    path.write_text(path.read_text().rstrip()[:-3])
    train(config(steps=3), quiet)
    assert [int(row["step"]) for row in log(tmp_path / "out")] == [0, 2]


def test_without_a_checkpoint_the_log_begins_anew(config, tmp_path):
    train(config(), quiet)
    (tmp_path / "out/checkpoint.pt").unlink()
    path = tmp_path / "out/log.csv"
    path.write_text("step,network,old\n0,tiny,1\n")
    train(config(), quiet)
    assert [int(row["step"]) for row in log(tmp_path / "out")] == [0, 1, 2]
    assert float(log(tmp_path / "out")[0]["loss"]) > 0


def test_curves_are_drawn_of_a_log_with_a_torn_line(tmp_path):
    from streamfuse.lab.train.curves import write_curves

    for torn in ("1,ti", "1,tiny,0.", "1,tiny,", "1,tiny,1,2,3"):
        (tmp_path / "log.csv").write_text("step,network,loss,mef\n0,tiny,0.5,0.25\n" + torn)
        write_curves(tmp_path / "log.csv", tmp_path / "curves.html")
        assert (tmp_path / "curves.html").read_text(encoding="utf-8").count("<svg") == 2


@pytest.mark.parametrize("content", [b"\xff\0\xfe", b"a,b\n1,2\n", None])
def test_what_is_no_log_is_refused_before_training(config, tmp_path, content):
    path = tmp_path / "out/log.csv"
    path.parent.mkdir()
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(OutputError, match=r"log\.csv .*move it away"):
        train(config(), pytest.fail)


# the checkpoint and the weights


@pytest.mark.parametrize("damage", ["missing", "older", "rubbish"])
def test_a_finished_run_writes_weights_that_are_not_there(config, tmp_path, damage):
    path = train(config(), quiet)["tiny"]
    wanted = load_weights(path).state_dict()
    if damage == "older":
        save_weights(load_weights(path), path, {"steps": "2"})
    elif damage == "rubbish":
        path.write_bytes(b"rubbish")
    else:
        path.unlink()
    train(config(), quiet)
    assert read_card(path)["steps"] == "3"
    written = load_weights(path).state_dict()
    assert all(torch.equal(value, written[name]) for name, value in wanted.items())
    assert len(log(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    "state",
    [
        None,
        5,
        [1, 2],
        {"step": 3},
        {"step": 3, "learners": {"tiny": [1]}},
        {"step": 3, "learners": {"tiny": {"network": 1, "average": 1, "optimiser": 2}}},
        {"step": None},
    ],
)
def test_a_checkpoint_of_another_shape_is_refused_before_training(config, tmp_path, state):
    path = tmp_path / "out/checkpoint.pt"
    train(config(), quiet)
    if state == {"step": None}:
        state = torch.load(path, weights_only=True) | state
    path.unlink()
    path.mkdir() if state is None else torch.save(state, path)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt is damaged or holds other networks"):
        train(config(steps=5), pytest.fail)


def test_a_checkpoint_that_is_not_finite_is_refused(config, tmp_path):
    train(config(), quiet)
    path = tmp_path / "out/checkpoint.pt"
    state = torch.load(path, weights_only=True)
    state["learners"]["tiny"]["average"]["sharpness"].fill_(float("nan"))
    torch.save(state, path)
    with pytest.raises(WeightsError, match="damaged"):
        train(config(steps=5), quiet)


@pytest.mark.parametrize("name", ["checkpoint.pt", "log.csv", "curves.html", "tiny.safetensors"])
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(config, tmp_path, monkeypatch, name):
    run, out = config(steps=2), tmp_path / "out"
    train(run, quiet)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "log.csv"}
    replace, open_file = Path.replace, Path.open

    def full(path, target):  # what was written so far lies under another name
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    def full_too(path, mode="r", *rest, **more):
        if path.name == name and "a" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_file(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr(Path, "open", full_too)
    with pytest.raises(OutputError, match=rf"{name} cannot be written.*No space left on device"):
        train(config(steps=4), quiet)
    monkeypatch.undo()
    assert sorted(path.name for path in out.iterdir()) == sorted([*before, "log.csv"])
    if name in before:
        assert (out / name).read_bytes() == before[name]


# divergence


def test_a_run_that_diverges_stops_and_writes_nothing(config, tmp_path):
    out = tmp_path / "out"
    train(config(steps=2), quiet)
    before = {name: (out / name).read_bytes() for name in ("checkpoint.pt", "tiny.safetensors")}
    with pytest.raises(ConfigError, match=r"of tiny in .* has diverged by step 4, .* lower learning_rate"):
        train(config(steps=4, learning_rate=1e30, ema=0), quiet)
    assert all((out / name).read_bytes() == data for name, data in before.items())


def test_weights_that_are_not_finite_are_never_written(config, tmp_path, monkeypatch):
    real = loop.Learner.step

    def break_weights(self, *rest):
        terms = real(self, *rest)
        with torch.no_grad():
            self.network.sharpness.fill_(float("nan"))
        return terms

    monkeypatch.setattr(loop.Learner, "step", break_weights)
    with pytest.raises(ConfigError, match="its weights are not finite"):
        train(config(), quiet)
    signal_in_step(monkeypatch, 0, signal.SIGINT)
    with pytest.raises(ConfigError, match="its weights are not finite"):
        train(config(), quiet)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["log.csv"]


def test_the_smallest_crop_trains(config, tmp_path):
    train(config(crop=[52, 52], gradient=0.5, camera_motion=0.05, sequence_share=1), quiet)
    assert all(float(row["loss"]) < 10 for row in log(tmp_path / "out"))


def test_threads_are_no_more_than_the_cpus(config, monkeypatch):
    asked = []
    monkeypatch.setattr(loop.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    train(config(threads=1024, steps=1), quiet)
    assert asked == [1]
