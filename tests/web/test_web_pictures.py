"""Each picture is made once, whoever asks."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from fake_run import FakeRun

from streamfuse.web.pictures import BINS, Newest, Pictures, encode, histogram


def newest_of(run, made, fresh=10.0):
    return Newest(
        run, "fused", lambda picture: made.append(picture) or len(made), ThreadPoolExecutor(2), fresh
    )


def test_many_who_ask_at_once_share_what_is_made():
    run, made = FakeRun(), []
    run.still.set()
    run._number = 7

    async def ask():
        newest = newest_of(run, made)
        return await asyncio.gather(*(newest.newer(-1, 2) for _ in range(50)))

    answers = asyncio.run(ask())
    assert {answer.number for answer in answers} == {7}
    assert len(made) == 1
    assert run.pictures == 1


def test_a_picture_is_not_made_again_when_it_is_still_the_newest():
    run, made = FakeRun(), []
    run.still.set()
    run._number = 7

    async def ask():
        newest = newest_of(run, made, fresh=0.0)
        for _ in range(5):
            await newest.newer(-1, 0.1)

    asyncio.run(ask())
    assert run.pictures > 1
    assert len(made) == 1


def test_what_was_made_long_ago_is_not_shown_as_new():
    run, made = FakeRun(), []
    run.still.set()
    run._number = 7

    async def ask():
        newest = newest_of(run, made, fresh=0.05)
        first = await newest.newer(-1, 1)
        run._number = 50
        await asyncio.sleep(0.1)
        return first.number, (await newest.newer(-1, 1)).number

    assert asyncio.run(ask()) == (7, 50)


def test_waiting_ends_in_time():
    run = FakeRun(rate=0)

    async def ask():
        begin = time.monotonic()
        return await newest_of(run, []).newer(-1, 0.3), time.monotonic() - begin

    answer, seconds = asyncio.run(ask())
    assert answer is None
    assert 0.25 < seconds < 3


def test_one_who_gives_up_does_not_disturb_the_others():
    run = FakeRun(rate=20)

    async def ask():
        newest = newest_of(run, [])
        number = (await newest.newer(-1, 1)).number
        leaving = asyncio.create_task(newest.newer(number, 5))
        staying = asyncio.create_task(newest.newer(number, 5))
        await asyncio.sleep(0.01)
        leaving.cancel()
        return number, (await staying).number

    number, other = asyncio.run(ask())
    assert other > number


def test_a_failure_reaches_everyone_who_waits_and_the_next_try_works():
    run = FakeRun()
    picture, run.picture = run.picture, lambda *_: 1 / 0

    async def ask():
        newest = newest_of(run, [])
        failed = await asyncio.gather(*(newest.newer(-1, 1) for _ in range(3)), return_exceptions=True)
        run.picture = picture
        return failed, await newest.newer(-1, 1)

    failed, later = asyncio.run(ask())
    assert all(isinstance(failure, ZeroDivisionError) for failure in failed)
    assert later is not None


def test_pictures_are_made_off_the_event_loop():
    threads = []
    run = FakeRun(
        paint=lambda number, view: threads.append(threading.current_thread()) or np.zeros((9, 9, 3), np.uint8)
    )

    async def ask():
        pictures = Pictures(run)
        await pictures.jpeg("under", "preview", -1, 1)
        await pictures.histograms(1)
        pictures.close()

    asyncio.run(ask())
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 5000), (3000, 2), (181, 321)])
def test_any_size_can_be_shown(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for size in ("preview", "full"):
        found = cv2.imdecode(np.frombuffer(encode(picture, size), np.uint8), cv2.IMREAD_COLOR)
        assert size == "preview" or found.shape == picture.shape
        assert max(found.shape) <= 1280 or size == "full"
    assert sum(histogram(picture)["luma"]) == pytest.approx(1, abs=1e-3)


def test_colours_keep_their_order():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 255
    found = cv2.imdecode(np.frombuffer(encode(picture, "full"), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert found[16, 16, 0] > 240
    assert found[16, 16, 2] < 15


def test_pictures_that_cannot_be_written_to_and_views_of_others_are_taken():
    picture = np.broadcast_to(np.array([10, 20, 30], np.uint8), (40, 60, 3))[::-1, ::2]
    assert encode(picture, "preview")
    assert histogram(picture)["dark"] == 0


def test_histogram_of_half_black_and_half_white():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = 255
    found = histogram(picture)
    assert len(found["luma"]) == BINS
    assert (found["dark"], found["bright"], found["luma"][0], found["luma"][-1]) == (0.5, 0.5, 0.5, 0.5)
