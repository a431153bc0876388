"""The package as others see it: complete, light to import, and all names there."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from setuptools import find_namespace_packages

import streamfuse

REPOSITORY = Path(__file__).parents[1]


def packages():
    """Every folder with Python modules in the source tree."""
    found = {path.parent for path in (REPOSITORY / "streamfuse").rglob("*.py")}
    return {".".join(folder.relative_to(REPOSITORY).parts) for folder in found}


@pytest.fixture(scope="module")
def setuptools_settings():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_in_the_wheel(setuptools_settings):
    found = setuptools_settings["packages"]["find"]
    listed = find_namespace_packages(str(REPOSITORY), include=found["include"], exclude=found["exclude"])
    # two hold data only
    assert set(listed) == packages() | {"streamfuse.configs", "streamfuse.weights"}


def test_every_data_file_is_in_the_wheel(setuptools_settings):
    data = setuptools_settings["package-data"]
    kinds = {".safetensors", ".yaml", ".typed", ".cu", ".html", ".json", ".css", ".js"}
    for path in (REPOSITORY / "streamfuse").rglob("*"):
        if path.suffix in kinds or path.name == "py.typed":
            package = ".".join(path.parent.relative_to(REPOSITORY).parts)
            assert any(path.match(pattern) for pattern in data.get(package, [])), path
    assert data["streamfuse.configs"] == ["*.yaml"]


def test_a_folder_that_an_earlier_install_left_behind_does_not_hide_the_package(
    setuptools_settings, tmp_path
):
    # Only then an editable install is a folder on the path, and not a finder that is asked last of all.
    assert setuptools_settings["package-dir"] == {"": "."}
    (tmp_path / "streamfuse" / "align" / "__pycache__").mkdir(parents=True)
    code = "import streamfuse.exposure.pair, streamfuse.config; print(sorted(streamfuse.config.shipped_configs())[0])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "best\n", done.stderr


def test_packages_say_what_they_are():
    for name in packages():
        assert importlib.import_module(name).__doc__, name


@pytest.mark.parametrize("module", ["streamfuse", "streamfuse.cli"])
def test_importing_is_light(module):
    heavy = "torch", "cv2", "av", "numpy", "zmq", "cupy", "pydantic"
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", streamfuse.__all__)
def test_every_public_name_is_there_and_explained(name):
    found = getattr(streamfuse, name)
    assert name in dir(streamfuse)
    if name != "__version__":
        assert found.__doc__


def test_every_public_name_is_in_the_reference():
    page = (REPOSITORY / "docs" / "reference" / "api.md").read_text()
    shown = set(re.findall(r"::: streamfuse\.(\S+)", page))
    for name in set(streamfuse.__all__) - {"__version__"}:
        assert {name, getattr(streamfuse, name).__module__.removeprefix("streamfuse.")} & shown, name


def test_the_version_is_one():
    assert [part.isdigit() for part in streamfuse.__version__.split(".")[:2]] == [True, True]


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fuse_pear'"):
        _ = streamfuse.fuse_pear


def test_every_error_is_a_builtin_too():
    from streamfuse import errors

    found = [
        e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.StreamfuseError)
    ]
    assert len(found) > 8
    for error in found:
        if error is not errors.StreamfuseError:
            builtin = [base for base in error.__mro__ if base.__module__ == "builtins"]
            assert len(builtin) > 3, error  # more than Exception, BaseException, object
            assert error.__doc__
