"""The numbers that every form of the Laplacian-pyramid blend shares."""

from __future__ import annotations

ENERGY_WINDOW = 5  # pixels of a level over which the local contrast is measured
ENERGY_FLOOR = 1e-5  # variance of about 0.8 code values of 255: below it is quantisation, not detail
HELD = 1  # the finest level of the network's pyramid whose sum is kept within the exposures
ROLLED = 3  # the finest where a clipped exposure is given less room
SLACK = 4 / 255  # how far a sum may leave what it is kept within
CLIPPED = (0.85, 0.98)  # of luma: where an exposure begins to clip, and says nothing any more
ROLL_OFF = 0.25  # share of the way from a clipped exposure to the darkest that is not to be used
