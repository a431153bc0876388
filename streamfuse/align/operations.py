"""What the alignment asks of a backend: arithmetic on pictures, flow fields and maps, and no decision.

    P  a frame where it is computed with, at working size and whole
    F  a flow field of a picture towards another one, in pixels of the working grid
    M  a map of one value for each pixel of the working grid
    T  a tone curve as the backend takes it
    Planes  luma and chroma of a whole frame

`streamfuse.align.cpu` computes with NumPy, OpenCV and Numba, `streamfuse.backends.cuda.align` with torch and CuPy;
tests compare the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from streamfuse.align.balance import Blocks
from streamfuse.core.frame import Frame
from streamfuse.imaging.photometric import IntensityMapping, Levels

P = TypeVar("P")
F = TypeVar("F")
M = TypeVar("M")
T = TypeVar("T")
Planes = TypeVar("Planes")
Result = TypeVar("Result", covariant=True)


class Pending(Protocol[Result]):
    """Something that may still be computed elsewhere, such as a `Future`."""

    def result(self) -> Result:
        """Wait for it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ready(Generic[P]):
    """Something that is there already, as `Pending`."""

    value: P

    def result(self) -> P:
        """Give it."""
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class Side(Generic[P, F, M]):
    """A neighbour that holds the missing exposure.

    Args:
        picture: the neighbour.
        flow: of the reference towards it; None = take it as it is.
        deviation: from the reference once it is warped, see `ghost.deviation`.
        error: the same as `ghost.squared_error`, in the brighter exposure's scale.
        luma: its luma once it is warped, in the brighter exposure's scale.
        own: the same in its own scale, of two darker neighbours: what is clipped in the brighter one shows there.
    """

    picture: P
    flow: F | None
    deviation: M
    error: M
    luma: M
    own: M | None


@dataclass(frozen=True, slots=True, eq=False)
class Shares(Generic[M]):
    """How much of each pixel comes from the neighbours, 0..1 at working size; None = all of it."""

    luma: M | None
    chroma: M | None


class Operations(Protocol[P, F, M, T, Planes]):
    """The arithmetic of a backend. Pictures of one run have one size."""

    def picture(self, frame: Frame) -> P:
        """Bring a frame to where it is computed with."""
        ...

    def histogram(self, picture: P) -> Levels:
        """Give the histogram of G' at working size, on the host."""
        ...

    def blocks(self, picture: P) -> Blocks | None:
        """Give the colours at working size in blocks, on the host; None of a grey or tiny frame."""
        ...

    def tone(self, curve: IntensityMapping) -> T:
        """Bring a tone curve to where it is computed with."""
        ...

    def luma(self, picture: P) -> M:
        """Give normalised luma."""
        ...

    def brightened(self, picture: P, tone: T) -> M:
        """Give luma in the scale of the brighter exposure."""
        ...

    def nothing(self, picture: P) -> M:
        """Give a map of zeros."""
        ...

    def times(self, one: M, other: M) -> M:
        """Multiply two maps."""
        ...

    # Motion

    def matched(self, source: M, targets: Sequence[M]) -> Pending[Sequence[F]]:
        """Find the motion of a picture towards one or two others of its scale."""
        ...

    def moved(self, source: P, target: P) -> F:
        """Find the motion between two frames of one exposure."""
        ...

    def scaled(self, flow: F, factor: float) -> F:
        """Multiply the vectors of a field."""
        ...

    def halfway(self, flow: F, part: float) -> Sequence[F]:
        """Give the fields of an instant at `part` of the way between two pictures towards each; `flow.halfway`."""
        ...

    def on_grid(self, luma: M) -> M:
        """Bring a picture at working size to the grid of the flow fields."""
        ...

    def usable(self, luma: M, tone: T) -> M:
        """Tell where a picture in the brighter exposure's scale can be matched across exposures; `flow.usable`."""
        ...

    def combined(
        self, across: Sequence[F], along: Sequence[F], share: M, lumas: tuple[M, M] | None
    ) -> Sequence[F]:
        """Follow `across` where that is well posed, and `along` elsewhere; `flow.combined`."""
        ...

    def reconsidered(
        self, reference: M, neighbours: Sequence[M], across: Sequence[F], flows: Sequence[F], pictures: Sequence[P]
    ) -> Sequence[F]:  # fmt: skip
        """Follow `across` where it explains two darker neighbours and `flows` does not, and look again.

        `align.second_look`; `reference` and `neighbours` are lumas at working size.
        """
        ...

    def steadied(
        self, reference: M, neighbours: Sequence[M], across: Sequence[F], dense: Sequence[F], share: M,
        lumas: tuple[M, M] | None,
    ) -> Sequence[F]:  # fmt: skip
        """Follow the motion of the camera, which `across` shows, wherever it explains the pictures as well; `dominant`.

        `dense` stays as it is where the camera has none, or where the backend does not look for it.
        """
        ...

    # What comes from where

    def compared(
        self, here: M, pictures: Sequence[P], there: Sequence[M], flows: Sequence[F | None], tone: T, brighter: bool
    ) -> Sequence[Side[P, F, M]]:  # fmt: skip
        """Compare the reference with its neighbours, all in the brighter exposure's scale.

        Args:
            here: luma of the reference.
            pictures: the neighbours.
            there: their luma.
            flows: of the reference towards them.
            tone: between the two exposures.
            brighter: the neighbours are the brighter exposure.
        """
        ...

    def trust(self, sides: Sequence[Side[P, F, M]]) -> M:
        """Tell where the neighbours can be believed, 0..1; `ghost.trust_map`."""
        ...

    def brighter_share(self, reference: P, raised: M, sides: Sequence[Side[P, F, M]], tone: T) -> M:
        """Give the share of brighter neighbours against a dark reference, `raised`; `ghost.brighter_share`."""
        ...

    def darker_share(self, reference: P) -> M:
        """Give the share of darker neighbours against a bright reference; `ghost.darker_share`."""
        ...

    # Whole frames

    def taken(self, picture: P) -> Planes:
        """Give the planes of a frame as they are."""
        ...

    def mapped(self, reference: P, tone: T, brighter: bool) -> Pending[Planes]:
        """Bring a whole frame to the scale of the brighter or the darker exposure."""
        ...

    def denoised(
        self, mapped: Planes, reference: P, raised: M, sides: Sequence[Side[P, F, M]], tone: T, share: M
    ) -> Planes:
        """Take the noise out of a dark reference that was brought up, where it is used; `align.denoise`.

        Args:
            mapped: its planes, brought up.
            reference: as it was.
            raised: its luma, brought up, at working size.
            sides: tell how much noise there is; none: the usual noise is taken.
            tone: between the two exposures.
            share: of the neighbours against it.
        """
        ...

    def filled(
        self, mapped: Planes, reference: P, sides: Sequence[Side[P, F, M]], tone: T, trust: M
    ) -> Planes:
        """Guess what is clipped in a bright reference, darkened, where no neighbour is trusted; `align.fill`."""
        ...

    def synthesised(
        self, reference: P, mapped: Planes, sides: Sequence[Side[P, F, M]], shares: Shares[M]
    ) -> Planes:
        """Make the missing exposure from its neighbours, warped, and the reference; `align.synthesis`."""
        ...
