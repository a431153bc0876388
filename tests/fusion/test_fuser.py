"""The fusers: network at low resolution and blend at full size, for any picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network
from pictures import exposures

from streamfuse.core import values
from streamfuse.errors import UsageError, WeightsError
from streamfuse.fusion.fuser import LcndrFuser, MertensFuser, chroma_weights, create_fuser
from streamfuse.fusion.models import NETWORKS, save_weights
from streamfuse.fusion.pyramid_settings import MAX_RAISE

FUSERS = [name for name in values.FUSERS if name not in values.TONE_MAPS]


@pytest.fixture(scope="module")
def random_fuser(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(random_network(), path, {})
    return LcndrFuser(str(path), "cpu")


@pytest.fixture(scope="module", params=NETWORKS)
def network_fuser(request):
    return create_fuser(request.param, device="cpu")


@pytest.fixture(scope="module", params=FUSERS)
def fuser(request):
    return create_fuser(request.param, device="cpu")


def fuse(fuser, lumas):
    return fuser.blend(lumas, fuser.weigh(lumas))


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(16, 130),
    width=st.integers(16, 400),
    count=st.integers(2, 5),
    seed=st.integers(0, 9999),
)
def test_any_size_and_number_of_exposures(random_fuser, height, width, count, seed):
    lumas = list(np.random.default_rng(seed).random((count, height, width), np.float32))
    maps = random_fuser.weigh(lumas)
    fused = random_fuser.blend(lumas, maps)
    assert fused.shape == (height, width)
    assert fused.dtype == np.float32
    assert np.isfinite(fused).all()
    assert all(p.shape[0] == count and np.allclose(p.sum(axis=0), 1, atol=1e-4) for p in maps.priors)
    assert all(np.all((g >= 0.5) & (g <= 1.5 * MAX_RAISE)) for g in maps.gains)


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 3), (16, 2000)])
def test_odd_shapes(fuser, size):
    lumas = list(np.random.default_rng(0).random((2, *size), np.float32))
    assert fuse(fuser, lumas).shape == size


@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("size", [(45, 67), (90, 700)])
def test_constants_stay_constant(fuser, value, size):
    fused = fuse(fuser, [np.full(size, value, np.float32)] * 2)
    np.testing.assert_allclose(fused, value, atol=1e-5)


def test_two_constants_give_nearly_a_constant_between_them(fuser):
    fused = fuse(fuser, [np.full((60, 81), 0.2, np.float32), np.full((60, 81), 0.8, np.float32)])
    assert 0.2 <= fused.min() <= fused.max() <= 0.8
    assert np.ptp(fused) < 0.05  # the network's borders differ a little from its middle


def tone(fuser, lumas):
    return float(np.clip(fuse(fuser, lumas), 0, 1).mean())


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    long_side=st.integers(16, 650),
    aspect=st.floats(0.25, 1),
    upright=st.booleans(),
    count=st.integers(2, 3),
    gap_ev=st.floats(1.5, 6),
    seed=st.integers(0, 9999),
)
def test_tone_does_not_depend_on_the_size(network_fuser, long_side, aspect, upright, count, gap_ev, seed):
    height, width = sorted((long_side, max(4, round(long_side * aspect))), reverse=upright)
    lumas = exposures(height, width, count, seed, gap_ev)
    large = [np.clip(cv2.resize(y, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), 0, 1) for y in lumas]
    assert abs(tone(network_fuser, lumas) - tone(network_fuser, large)) < 0.01


def test_nor_does_that_of_the_baseline():
    lumas = exposures(360, 640)
    large = [np.clip(cv2.resize(y, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), 0, 1) for y in lumas]
    assert abs(tone(MertensFuser(), lumas) - tone(MertensFuser(), large)) < 0.01


@pytest.mark.parametrize("long_side", [96, 150, 250, 500])
@pytest.mark.parametrize("stack", ["train/pmef_El_Capitan", "train/ss_street2", "reference/sice_12"])
def test_tone_of_a_photograph_does_not_depend_on_the_size(network_fuser, data_dir, stack, long_side):
    # the worst ones, of those that nothing was trained on; the larger picture has detail that the smaller one lacks
    files = [file for file in sorted((data_dir / "stills" / stack).iterdir()) if file.stem != "reference"]
    pair = [
        cv2.imread(str(file), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
        for file in files[:: len(files) - 1]
    ]
    scale = long_side / max(pair[0].shape)
    if scale > 0.5:
        pytest.skip("the photograph is too small")
    height, width = (round(side * scale) for side in pair[0].shape)
    large = [cv2.resize(y, (2 * width, 2 * height), interpolation=cv2.INTER_AREA) for y in pair]
    small = [cv2.resize(y, (width, height), interpolation=cv2.INTER_AREA) for y in large]
    assert abs(tone(network_fuser, small) - tone(network_fuser, large)) < 0.01


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(24, 45), (90, 160), (181, 320), (360, 640)])
def test_the_network_sees_a_picture_and_its_double_alike(name, size):
    fuser = create_fuser(name, device="cpu")
    small = exposures(*size)
    large = [np.clip(cv2.resize(y, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), 0, 1) for y in small]
    for a, b in zip(fuser.weigh(small).priors, fuser.weigh(large).priors, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).mean() < 0.01


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (16, 16), (33, 161), (320, 100), (640, 480), (1080, 1920)])
def test_pictures_are_blended_at_octaves_of_one_scale(random_fuser, size):
    octaves = random_fuser.octaves(size)
    blended = max(size) / 2.0**octaves
    assert blended <= 320 * 1.01
    assert blended > 160 or octaves == -5  # an enlarged pixel becomes at most one of the pyramid's base


def test_two_runs_are_bit_identical(fuser):
    lumas = exposures(90, 700, 3)
    np.testing.assert_array_equal(fuse(fuser, lumas), fuse(fuser, lumas))


@pytest.mark.parametrize("long_side", [96, 128, 160, 224, 240, 320, 448, 480, 640, 672])
def test_one_pixel_more_does_not_change_the_tone(network_fuser, long_side):
    picture = exposures(540, 960)

    def tone(side):
        size = (side, round(side * 9 / 16))
        lumas = [cv2.resize(luma, size, interpolation=cv2.INTER_AREA) for luma in picture]
        return fuse(network_fuser, lumas).mean()

    assert tone(long_side) == pytest.approx(tone(long_side + 1), abs=0.006)


def test_maps_of_a_padded_picture_say_what_they_span(random_fuser):
    coverage = random_fuser.weigh(exposures(130, 321)).coverage
    assert coverage == pytest.approx((192 / 130, 384 / 321))


def test_attention_costs_the_same_whatever_the_resolution(random_fuser, monkeypatch):
    tokens, maps = [], random_fuser._maps

    def counted(stack):
        tokens.append(stack.size // 32**2)
        return maps(stack)

    monkeypatch.setattr(random_fuser, "_maps", counted)
    for size in ((192, 320), (2160, 3840)):
        random_fuser.weigh([np.zeros(size, np.float32)] * 2)
    assert tokens[1] <= 2 * tokens[0]
    assert max(tokens) <= 2 * (320 // 32) ** 2


def test_colour_weights_lie_on_the_chroma_grid(fuser):
    weights = chroma_weights(fuser.weigh(exposures(60, 90, 3)), (30, 45))
    assert weights.shape == (3, 30, 45)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-4)


def test_names_and_presets():
    assert create_fuser(preset="fast", device="cpu").name == "lcndr-xs"
    assert create_fuser(None, preset="balanced", device="cpu").name == "lcndr-s"
    assert create_fuser("lcndr", preset="fast", device="cpu").name == "lcndr"
    assert isinstance(create_fuser("mertens", device="cpu"), MertensFuser)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"name": "lcndrr"}, UsageError, "no fuser 'lcndrr'"),
        ({"preset": "turbo"}, UsageError, "no preset 'turbo'"),
        ({"name": "missing.safetensors"}, WeightsError, "no network"),
        ({"name": "lcndr", "device": "tpu"}, UsageError, "no device 'tpu'"),
    ],
)
def test_wrong_names_are_told(arguments, error, says):
    with pytest.raises(error, match=says):
        create_fuser(**arguments)


def test_a_retrained_file_is_read_again(tmp_path):
    path, lumas = tmp_path / "mine.safetensors", exposures(64, 64)
    fused = []
    for seed in (1, 2):
        save_weights(random_network(seed=seed), path, {})
        fused.append(fuse(LcndrFuser(str(path), "cpu"), lumas))
    assert np.abs(fused[0] - fused[1]).max() > 1e-3


@pytest.mark.cuda
def test_gpu_and_cpu_agree_and_do_not_disturb_each_other():
    lumas = exposures(360, 640, 3)
    cpu, gpu = create_fuser("lcndr-s", device="cpu"), create_fuser("lcndr-s", device="cuda")
    np.testing.assert_allclose(fuse(cpu, lumas), fuse(gpu, lumas), atol=2e-3)
