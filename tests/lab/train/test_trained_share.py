"""Weights that are a mixture of those a run began from and those it trained."""

import pytest
import torch
from small_runs import log

from streamfuse.fusion.models import load_weights, read_card
from streamfuse.lab.train.loop import train


def quiet(_):
    pass


@pytest.fixture
def shared(config, tmp_path):
    """Runs from the same start with the share that is asked for."""
    train(config(out=tmp_path / "start", seed=5, steps=1), quiet)

    def make(share, **changes):
        out = tmp_path / f"share{share}"
        return config(
            out=out, start_from=tmp_path / "start", trained_share=share, ema=0.1, **({"steps": 4} | changes)
        )

    return make


def stored(folder):
    return load_weights(folder / "tiny.safetensors").state_dict()


def test_what_is_written_lies_between_the_start_and_the_average(shared, tmp_path):
    for share in (1, 0.25):
        train(shared(share), quiet)
    start, whole, quarter = (stored(tmp_path / name) for name in ("start", "share1", "share0.25"))
    assert any((whole[name] - start[name]).abs().max() > 1e-3 for name in start)
    for name, begun in start.items():
        torch.testing.assert_close(quarter[name], begun + 0.25 * (whole[name] - begun), rtol=0, atol=1e-6)
    cards = [read_card(tmp_path / name / "tiny.safetensors") for name in ("share1", "share0.25")]
    assert [card["trained_share"] for card in cards] == ["1", "0.25"]
    assert cards[0]["validation"] != cards[1]["validation"]  # it is the mixture that is validated


def test_training_itself_does_not_see_the_share(shared, tmp_path):
    states = []
    for share in (1, 0.25):
        run = shared(share)
        train(run, quiet)
        states.append(torch.load(run.out / "checkpoint.pt", weights_only=True)["learners"]["tiny"])
    for kind in ("network", "average"):
        assert all(torch.equal(value, states[1][kind][name]) for name, value in states[0][kind].items())
    assert log(tmp_path / "share1") == log(tmp_path / "share0.25")


def test_a_resumed_run_mixes_with_the_same_start(shared, tmp_path):
    train(shared(0.25, steps=2), quiet)
    train(shared(0.25), quiet)
    run = shared(0.25)
    average = torch.load(run.out / "checkpoint.pt", weights_only=True)["learners"]["tiny"]["average"]
    start, written = stored(tmp_path / "start"), stored(run.out)
    for name, begun in start.items():
        torch.testing.assert_close(written[name], begun + 0.25 * (average[name] - begun), rtol=0, atol=1e-6)


def test_a_finished_run_is_written_anew_with_another_share(shared):
    run = shared(0.25)
    path = train(run, quiet)["tiny"]
    train(run.model_copy(update={"trained_share": 0.5}), quiet)
    assert read_card(path)["trained_share"] == "0.5"
    assert len(log(run.out)) == 4
