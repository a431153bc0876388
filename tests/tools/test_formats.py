"""Containers, sounds and extras: each combination keeps its pictures and its sound, or says what it left out."""

import json
import sys

import pytest
from runs import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tools"))
import figures
import figures_formats
import formats
import formats_streams

PAGE = REPOSITORY / "docs" / "formats.md"
KEPT = json.loads((REPOSITORY / "benchmarks" / "formats.json").read_text(encoding="utf-8"))
# Each source, each sound and each pair of them, each pair of a source or a sound and a target; what else is in a film
# into every target. The run that the page is made from has each sound from each source into every target.
PAIRS = {
    formats.name_of(film, target)
    for number, film in enumerate(formats.FILMS)
    for turn, target in enumerate(formats.TARGETS)
    if film.kind != "sound" or (number + number // (len(formats.SOUNDS) + 1)) % len(formats.TARGETS) == turn
}
QUICK = [
    (".ts", "aac", ".mp4"),
    (".ts", "aac", ".mov"),
    (".mkv", "flac", ".mov"),
    (".mkv", "pcm24", ".mp4"),
    (".mpg", "mp2", ".mkv"),
    (".h264", "none", ".mp4"),
]


def test_the_page_has_the_tables_of_the_run():
    text = PAGE.read_text(encoding="utf-8")
    assert figures.fill(text) == text
    for table in (figures_formats.sound(), figures_formats.extras(), figures_formats.streams()):
        assert table in text


def test_the_run_had_every_combination_and_no_fault():
    cases = {(case["source"], case["kind"], case["what"], case["target"]): case for case in KEPT["cases"]}
    assert set(cases) == {(f.source, f.kind, f.what, t) for f in formats.FILMS for t in formats.TARGETS}
    assert [case for case in cases.values() if case["problems"]] == []
    assert all(case["said"] for case in cases.values() if case["outcome"] == "not made"), (
        "skipped for a reason"
    )
    assert sum(case["outcome"] != "not made" for case in cases.values()) > 180


@pytest.mark.parametrize(("source", "sound", "target"), QUICK)
def test_sound_is_there_and_in_time(source, sound, target):
    (case,) = formats.cases(lambda name: name == f"{source} sound {sound} {target}")
    assert (case.outcome != "not made", case.problems) == (True, [])


def test_the_pairs_are_all_there():
    films = [film for film in formats.FILMS if film.kind == "sound"]
    tried = [(f, t) for f in films for t in formats.TARGETS if formats.name_of(f, t) in PAIRS]
    assert [film for film, _ in tried] == films
    for part in ("source", "what"):
        assert {(getattr(f, part), t) for f, t in tried} == {
            (getattr(f, part), t) for f in films for t in formats.TARGETS
        }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_pair_comes_through_and_the_page_says_what_becomes_of_it():
    found = list(formats.cases(PAIRS.__contains__))
    assert [case for case in found if case.problems] == []
    told = {
        (c["source"], c["kind"], c["what"], c["target"]): (c["outcome"], c["becomes"]) for c in KEPT["cases"]
    }
    for case in found:
        now = told[case.source, case.kind, case.what, case.target]
        if "not made" not in (case.outcome, now[0]):  # builds of FFmpeg have different encoders
            assert (case.outcome, case.becomes) == now, case


def test_a_fault_is_found(tmp_path):
    """The measuring itself: sound that comes late, is cut, or has another pitch; a picture beside its time."""
    path, late = tmp_path / "a.mkv", tmp_path / "b.mkv"
    assert formats.film(path, "pcm16") is None
    assert formats.film(late, "pcm16", delay=formats.DELAY) is None
    before, after = formats.heard(path), formats.heard(late)
    assert formats.compare(before, before, 0.0, 0.0) == []
    assert "the sound begins +0.200 s later than it did" in formats.compare(before, after, 0.0, 0.0)
    assert "the burst comes +0.100 s later than it did" in formats.compare(before, before, 0.1, 0.0)
    deep = formats.Heard("aac", before.begin, before.end - 0.5, before.onset, 220.0)
    assert formats.compare(before, deep, 0.0, 0.0) == ["the tone is 220 Hz", "the sound lasts 0.500 s"]


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind", formats_streams.SOURCES)
def test_a_sender_comes_late_is_lost_returns_and_ends(kind):
    tried = formats_streams.try_source(kind)
    if kind == "srt" and tried.start is not True:
        assert "has no such protocol" in tried.start
        return
    assert (tried.start, tried.loss, tried.end) == (True, True, True)


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind", formats_streams.SINKS)
def test_a_receiver_comes_late_is_lost_returns_and_sees_the_end(kind):
    tried = formats_streams.try_sink(kind)
    if kind == "srt" and tried.start is not True:
        assert "has no such protocol" in tried.start
        return
    assert (tried.start, tried.loss) == (True, True)
    assert tried.end is True or (kind == "udp" and "the run ends" in tried.end)
