"""Receiving goes on where malloc cannot be told anything."""

from __future__ import annotations

import ctypes

from streamfuse.zmq.memory import keep_freed_memory


def test_another_malloc_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory.__wrapped__()


def test_the_environment_goes_first(monkeypatch):
    def never(name):
        raise AssertionError("malloc was changed")

    monkeypatch.setattr(ctypes, "CDLL", never)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    keep_freed_memory.__wrapped__()
