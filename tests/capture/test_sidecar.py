from __future__ import annotations

import pytest

from streamfuse.capture.sidecar import read_sidecar
from streamfuse.core.frame import Exposure
from streamfuse.errors import InputError, InputNotFoundError

EXPECTED = {0: Exposure(1000.0, 1.0), 1: Exposure(8000.0, 2.5), 7: Exposure(None, 4.0)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "frame,exposure_us,gain\n0,1000,1\n1,8000,2.5\n7,,4\n"),
        ("a.csv", "\ufeffgain, frame ,exposure_us,note\r\n1,0,1000,x\r\n2.5,1,8000,\r\n\r\n4,7,,y\r\n"),
        (
            "a.txt",
            '[{"frame":0,"exposure_us":1000,"gain":1},{"frame":1,"exposure_us":8e3,"gain":2.5},{"frame":7,"gain":4}]',
        ),
    ],
)
def test_csv_and_json_say_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_sidecar(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frame,exposure_us,gain\n0,1000,1\n1,fast,1\n", "line 3: exposure_us"),
        ("frame,exposure_us,gain\n-1,1000,1\n", "line 2: frame"),
        ("frame,exposure_us,gain\n0,0,1\n", "line 2: exposure_us"),
        ("frame,exposure_us,gain\n0,nan,1\n", "line 2: exposure_us"),
        ("frame,exposure_us,gain\n0,,\n", "line 2: exposure_us or gain"),
        ("frame,exposure_us,gain\n0,1,1\n0,2,1\n", "line 3: frame 0 is there twice"),
        ("number,time\n0,1\n", "line 1: the header"),
        ("frame,exposure_us,gain\n", "names no frame"),
        ("", "line 1: the header"),
        ('[{"frame":0,"gain":1},\n{"frame":1,]', "line 2: this is not JSON"),
        ('[{"frame":0,"gain":1},{"gain":1}]', "entry 2: frame"),
        ("[3]", "entry 1"),
        ('{"frame":0}', "a list of objects"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, words):
    (tmp_path / "side.csv").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_sidecar(tmp_path / "side.csv")
    assert "side.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputNotFoundError, match="no sidecar"):
        read_sidecar(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_sidecar(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\xd8\x81")
    with pytest.raises(InputError, match="not text"):
        read_sidecar(tmp_path / "a.csv")
