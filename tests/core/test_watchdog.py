"""How long a call has lasted, as another thread sees it."""

from __future__ import annotations

import pytest

from streamfuse.core import watchdog
from streamfuse.core.watchdog import Watchdog


def test_a_call_is_seen_while_it_lasts_and_from_a_moment_on(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    dog = Watchdog()
    assert dog.seconds() == 0.0
    with dog:
        now[0] = 14.0
        assert dog.seconds() == 4.0
        assert dog.seconds(after=13.0) == 1.0
        assert dog.seconds(after=15.0) == 0.0
    assert dog.seconds() == 0.0


def test_a_call_that_fails_is_over():
    dog = Watchdog()
    with pytest.raises(ValueError), dog:
        raise ValueError
    assert dog.seconds() == 0.0
