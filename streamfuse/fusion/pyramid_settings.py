"""The numbers that every form of the Laplacian-pyramid blend shares."""

from __future__ import annotations

ENERGY_WINDOW = 5  # pixels of a level over which the local contrast is measured
ENERGY_FLOOR = 1e-5  # variance of about 0.8 code values of 255: below it is quantisation, not detail
HELD = 1  # the finest level of the network's pyramid whose sum is kept within the exposures
ROLLED = 3  # the finest where a clipped exposure is given less room
SLACK = 4 / 255  # how far a sum may leave what it is kept within
CLIPPED = (0.85, 0.98)  # of luma: where an exposure begins to clip, and says nothing any more
WHITE = (0.95, 0.995)  # of luma: where an exposure still shows a little, and shows nothing
BLACK = (0.05, 0.16)  # of luma: where an exposure shows nothing yet, and begins to show
LIFTED = 2  # the level on which shadows are lifted that one exposure alone shows
LIFT = 0.28  # share of the way to that exposure
DIM = (0.2, 0.5)  # luma of that exposure up to which they are lifted, and from which on they are not
LOWERED = 3  # the level on which highlights are lowered that one exposure alone shows
LOWER = 0.3  # share of the way to that exposure
LIGHT = (0.26, 0.62)  # luma of that exposure up to which they are not lowered, and from which on they are
ROLL_OFF = 0.1  # share of the way from a clipped exposure to the darkest that is not to be used

# Of highlights that one exposure alone shows, see `highlights`.
FAVOUR = 8.0  # added to the log weight of the exposure that shows a highlight, in the three finest bands
FAVOUR_NEXT = 3.0  # the same in the fourth
KEPT = (4 / 255) ** 2  # mean square of detail that is half protected from edge revision
WEAK = (2.5 / 255) ** 2  # mean square of detail that is raised half of the way
EXPONENT = 1.5  # of how much brighter the fused picture is, for detail that is weaker still
MAX_RAISE = 2.5  # of weak detail
DARK = 0.02  # added to luma, so that its ratio is that of detail and not of noise
