"""Random training brackets: fresh crops of real exposure stacks, and exposures made from HDR panoramas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from streamfuse.errors import InputError, InputNotFoundError
from streamfuse.lab.evaluate.radiance_clips import GAMMA
from streamfuse.lab.train.camera_model import degrade, develop, moving_frames, two_frames, with_noise
from streamfuse.lab.train.white_balance import LUMINANCE_709, WhiteBalance, balanced_luma, balanced_luminance

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]  # luma (H, W), or B'G'R' (H, W, 3)

USABLE_MEAN = (0.3, 254.5)  # exposures outside are black or white to the last pixel


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Exposures of one static scene, darkest first.

    Args:
        name: folder name.
        exposures: K pictures.
        label: the wanted fused picture of the same kind, where there is one.
    """

    name: str
    exposures: tuple[Picture, ...]
    label: Picture | None = None

    def luma(self) -> Stack:
        """Give the same in luma."""
        label = None if self.label is None else _luma(self.label)
        return replace(self, exposures=tuple(_luma(e) for e in self.exposures), label=label)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training bracket, float32 in [0, 1].

    Args:
        noisy: (N, H, W), what the network sees.
        clean: (N, H, W), what MEF-SSIM compares with (the same array where no noise was added).
        label: (H, W) or None.
        again: (N, H, W) or None, the next frame: another exposure was resampled, and unless the camera moves the noise
            is new.
        motion: (3, 3) or None where the camera is still, homography from pixels (x, y, 1) of `noisy` to `again`.
    """

    noisy: Array
    clean: Array
    label: Array | None
    again: Array | None = None
    motion: Array | None = None


def _luma(picture: Picture) -> Picture:
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _read(path: Path, colour: bool) -> Picture:
    _refuse_truncated(path)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise InputNotFoundError(f"{path} is not a readable picture; remove it or repair it.")
    return np.asarray(picture, np.uint8)


def _refuse_truncated(path: Path) -> None:
    """OpenCV makes a picture of half a file, grey where the rest is missing; Pillow says so."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as picture:
            # An eighth of the size: all of the file is read, and little of the time is spent.
            picture.draft("L", (max(1, picture.width // 8), max(1, picture.height // 8)))
            picture.load()
    except UnidentifiedImageError:  # a format that only OpenCV is asked to read
        return
    except (OSError, SyntaxError) as error:
        if (
            isinstance(error, OSError) and error.errno is not None
        ):  # of the file system, not of what is in the file
            return
        raise InputError(f"{path} is cut off or damaged ({error}); remove it or fetch it again.") from error


def load_stacks(folder: Path, colour: bool = False) -> list[Stack]:
    """Give every sub-folder `NAME/NN.jpg` (dark to bright), with `reference.jpg` as label where there is one.

    `colour`: B'G'R' instead of luma.

    Raises:
        InputNotFoundError: no such folder, no stack in it, or a picture that cannot be read.
        InputError: a picture that is cut off, or of another size than the others of its stack.
    """
    if not folder.is_dir():
        raise InputNotFoundError(f"There is no folder {folder} to train on; see `data` in the configuration.")
    stacks = []
    for scene in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(p for p in scene.iterdir() if re.fullmatch(r"\d+", p.stem))
        reference = scene / "reference.jpg"
        if reference.is_file():
            files.append(reference)
        read = [_read(p, colour) for p in files]
        _refuse_other_sizes(files, read)
        label = read.pop() if reference.is_file() else None
        kept = sorted((p for p in read if USABLE_MEAN[0] < p.mean() < USABLE_MEAN[1]), key=np.mean)
        if len(kept) >= 2:
            stacks.append(Stack(scene.name, tuple(kept), label))
    if not stacks:
        raise InputNotFoundError(f"{folder} holds no exposure stacks (sub-folders with 00.jpg, 01.jpg, ...).")
    return stacks


def _refuse_other_sizes(files: Sequence[Path], pictures: Sequence[Picture]) -> None:
    for path, picture in zip(files, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            (height, width), (rows, columns) = picture.shape[:2], pictures[0].shape[:2]
            raise InputError(
                f"{path} has {width}x{height} pixels and {files[0].name} beside it {columns}x{rows}; "
                "all pictures of a stack have to be of one size."
            )


def load_panoramas(folder: Path, colour: bool = False) -> list[Array]:
    """Radiance of every .hdr file, scaled so that the 99.5th percentile of its luminance is 1.

    Luminance (H, W), or with `colour` BGR (H, W, 3).
    """
    panoramas = []
    for path in sorted(folder.glob("*.hdr")):
        radiance = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if radiance is None:
            raise InputNotFoundError(f"{path} is not a readable picture; remove it or repair it.")
        luminance = (radiance @ LUMINANCE_709).astype(np.float32)
        panoramas.append((radiance if colour else luminance) / np.percentile(luminance, 99.5))
    return panoramas


class Sampler:
    """Endless random brackets of one shape.

    Args:
        stacks: real exposure stacks; those with a label are drawn `labelled_share` of the time.
        panoramas: HDR pictures from which `synthetic_share` of the samples are made.
        size: (H, W) of the crops.
        seed: everything drawn follows from it.
        sequence_share: of the batches without a label that hold two frames of each scene.
        balance: gains that stacks and panoramas get that are in colour.
        camera_motion: between two frames, as `moving_frames` takes it; 0 for a camera that stands still.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        panoramas: Sequence[Array],
        size: tuple[int, int],
        seed: int,
        labelled_share: float = 0.2,
        synthetic_share: float = 0.25,
        sequence_share: float = 0.2,
        balance: WhiteBalance | None = None,
        camera_motion: float = 0.0,
    ) -> None:
        self._plain = [s for s in stacks if s.label is None]
        self._labelled = [s for s in stacks if s.label is not None]
        self._panoramas = list(panoramas)
        self._size = size
        self._shares = (labelled_share, synthetic_share)
        self._sequence_share = sequence_share
        self._balance = balance or WhiteBalance()
        self._camera_motion = camera_motion
        self._rng = np.random.default_rng(seed)

    def batch(self, count: int) -> list[Sample]:
        """`count` samples with the same number of exposures and all of the same kind (labelled or not)."""
        rng = self._rng
        exposures = int(rng.choice([2, 3, 4, 5], p=[0.64, 0.16, 0.08, 0.12]))
        kind = rng.random()
        labelled, synthetic = self._shares
        if self._labelled and kind < labelled:
            return [self._from_stack(self._labelled, exposures) for _ in range(count)]
        if self._panoramas and kind < labelled + synthetic:
            samples = [self._from_panorama(exposures) for _ in range(count)]
        else:
            samples = [self._from_stack(self._plain, exposures) for _ in range(count)]
        if rng.random() < self._sequence_share:
            return [self._follow(sample) for sample in samples]
        return samples

    def __iter__(self) -> Iterator[Sample]:
        while True:
            yield from self.batch(1)

    def _follow(self, sample: Sample) -> Sample:
        if self._camera_motion:
            seen = moving_frames(sample.clean, self._camera_motion, self._rng)
            return Sample(seen.first, seen.clean, None, seen.second, seen.motion)
        first, second = two_frames(sample.clean, self._rng)
        return replace(sample, noisy=first, again=second)

    def _from_stack(self, stacks: Sequence[Stack], exposures: int) -> Sample:
        rng = self._rng
        stack = stacks[int(rng.integers(len(stacks)))]
        chosen = self._choose(len(stack.exposures), exposures, extreme=stack.label is not None)
        pictures = [stack.exposures[i] for i in chosen]
        if stack.label is not None:
            pictures.append(stack.label)
        crops = self._crop(pictures)
        if crops.ndim == 4:
            crops = balanced_luma(crops, self._balance.gains(len(chosen), rng)[: len(crops)])
        if stack.label is None and rng.random() < 0.5:
            crops = crops ** np.float32(np.exp(rng.uniform(-0.3, 0.3)))
        label = crops[-1] if stack.label is not None else None
        clean = crops[: len(chosen)]
        seen = with_noise(clean, rng) if rng.random() < 0.3 else clean
        return Sample(degrade(seen, rng), clean, label)

    def _choose(self, available: int, wanted: int, extreme: bool) -> list[int]:
        """Indices dark to bright, repeated where a stack is short: duplicates are legal brackets too."""
        rng = self._rng
        if extreme or rng.random() < 0.5:
            first, last = 0, available - 1
        else:
            first = int(rng.integers(0, available - 1))
            last = int(rng.integers(first + 1, available))
        return [round(i) for i in np.linspace(first, last, wanted)]

    def _crop(self, pictures: Sequence[Picture]) -> Array:
        """Give the same random scale, place, flip and transposition for all; (K, H, W) or (K, H, W, 3) in [0, 1]."""
        rng = self._rng
        height, width = self._size
        transpose = rng.random() < 0.25
        if transpose:
            height, width = width, height
        rows, columns = pictures[0].shape[:2]
        smallest = max(height / rows, width / columns)
        scale = max(smallest, float(np.exp(rng.uniform(np.log(0.35), np.log(1.5)))))
        h, w = min(rows, round(height / scale)), min(columns, round(width / scale))
        top, left = rng.integers(0, rows - h + 1), rng.integers(0, columns - w + 1)
        flip = (
            slice(None, None, -1 if rng.random() < 0.25 else 1),
            slice(None, None, -1 if rng.random() < 0.5 else 1),
        )
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        crops = []
        for picture in pictures:
            crop = cv2.resize(picture[top : top + h, left : left + w], (width, height), interpolation=method)
            crop = crop.swapaxes(0, 1) if transpose else crop
            crops.append(crop[flip].astype(np.float32) / 255)
        return np.stack(crops)

    def _from_panorama(self, exposures: int) -> Sample:
        """Exposures of a crop of a panorama, 1.5 to 7 EV apart in all, with sensor noise in linear light."""
        rng = self._rng
        radiance = self._panoramas[rng.integers(len(self._panoramas))]
        height, width = self._size
        h = int(rng.uniform(0.35, 0.9) * radiance.shape[0])
        w = min(radiance.shape[1], h * width // height)
        # Around the horizon: the poles of an equirectangular picture are stretched.
        top = int(np.clip(rng.normal(0.5, 0.12) * radiance.shape[0] - h / 2, 0, radiance.shape[0] - h))
        left = int(rng.integers(0, radiance.shape[1]))
        crop = np.roll(radiance, -left, axis=1)[top : top + h, :w]
        crop = cv2.resize(
            crop, (width, height), interpolation=cv2.INTER_AREA if h > height else cv2.INTER_LINEAR
        )
        crop = crop[:, :: -1 if rng.random() < 0.5 else 1]
        lights = [crop] * exposures
        if crop.ndim == 3:
            lights = list(balanced_luminance(crop, self._balance.gains(exposures, rng)[:-1], GAMMA))
        # The darkest exposure puts some percentile at white, the others follow in even steps.
        white = max(1e-4, float(np.percentile(lights[0], rng.uniform(94, 99.9))))
        gap = rng.uniform(1.5, 7.0)
        steps = 2 ** np.linspace(0, gap, exposures)
        linear = np.stack([c / white * s for c, s in zip(lights, steps, strict=True)]).astype(np.float32)
        clean = develop(linear)
        if rng.random() < 0.25:
            return Sample(clean, clean, None)
        sigma = np.exp(rng.uniform(np.log(3e-4), np.log(4e-3)))
        shot = linear.clip(0, 1) * sigma * rng.uniform(0, 0.5)
        noisy = linear + rng.standard_normal(linear.shape, np.float32) * np.sqrt(sigma**2 + shot).astype(
            np.float32
        )
        return Sample(develop(noisy), clean, None)
