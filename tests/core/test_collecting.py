"""Garbage is left alone while a command imports, and looked for again afterwards, whatever happens."""

import gc

import pytest

from streamfuse.core.collecting import importing


def test_python_does_not_look_while_a_command_imports():
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_looks_again_after_an_import_that_fails():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_who_had_switched_it_off_finds_it_so():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
