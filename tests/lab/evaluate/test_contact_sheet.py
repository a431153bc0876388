"""The worst scenes, small, by each measure that is known."""

from dataclasses import fields

import numpy as np
import pytest

from streamfuse.lab.evaluate.contact_sheet import ContactSheet
from streamfuse.lab.evaluate.still_scores import Score


class Page:
    """Takes down what is shown."""

    def __init__(self):
        self.headings, self.strips = [], []

    def heading(self, title):
        self.headings.append(title)

    def strip(self, title, pictures):
        self.strips.append((title, pictures))


def score(number, method="ours", **measures):
    empty = dict.fromkeys(field.name for field in fields(Score))
    return Score(
        **empty | {"scene": f"s{number}", "method": method, "mef_ssim": 0.9 + number / 1000} | measures
    )


@pytest.fixture
def sheet():
    found = ContactSheet("ours")
    for number in range(12):
        found.add(f"s{number}", {"ours": np.full((50, 640, 3), number, np.uint8)})
    return found


def test_the_worst_tenth_rounded_up_is_shown_worst_first(sheet):
    page = Page()
    sheet.write(page, [score(n) for n in range(12)] + [score(n, "other", mef_ssim=0.1) for n in range(12)])
    assert page.headings == ["ours: the worst tenth by MEF-SSIM (Likeness)"]
    assert [title for title, _ in page.strips] == ["s0, 0.9000", "s1, 0.9010"]
    assert [int(pictures["ours"].max()) for _, pictures in page.strips] == [0, 1]


def test_prints_are_small_and_keep_their_shape(sheet):
    page = Page()
    sheet.write(page, [score(3)])
    assert page.strips[0][1]["ours"].shape == (25, 320, 3)


def test_of_what_is_clipped_more_is_worse_and_what_cannot_be_told_is_left_out(sheet):
    page = Page()
    sheet.write(page, [score(1, clipped=0.1), score(2, clipped=0.3), score(4)])
    assert [title for title, _ in page.strips[1:]] == ["s2, 0.300"]
