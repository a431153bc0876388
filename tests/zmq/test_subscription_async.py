"""`streamfuse.subscribe_async`: what an asyncio loop over a stream sees."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest
from wire_frames import fused_frame, publish, stream_info

import streamfuse
from streamfuse.errors import StreamTimeoutError
from streamfuse.runtime.sinks import open_sink


@pytest.fixture
def sink():
    with open_sink("zmq+pub://:*", stream_info()) as opened:
        yield opened


def test_asyncio(sink):
    async def collect():
        async with streamfuse.subscribe_async(sink.outputs[0], timeout=5, max_age=None) as frames:
            await asyncio.to_thread(sink.wait_for_subscribers, 1, 5)
            thread = publish(sink, 6)
            beats = 0

            async def beat():
                nonlocal beats
                while True:
                    await asyncio.sleep(0.005)
                    beats += 1

            task = asyncio.create_task(beat())
            found = [frame.index async for frame in frames]
            task.cancel()
            await asyncio.to_thread(thread.join)
            return found, beats

    found, beats = asyncio.run(collect())
    assert found == list(range(6))
    assert beats > 3  # the loop went on while it waited


def test_a_wait_that_is_cancelled_loses_no_frame(sink):
    async def collect():
        found = []
        async with streamfuse.subscribe_async(sink.outputs[0], timeout=10, max_age=None) as frames:
            await asyncio.to_thread(sink.wait_for_subscribers, 1, 5)
            for number in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(frames), 0.1)
                sink.write(fused_frame(number))
                found.append((await asyncio.wait_for(anext(frames), 5)).seq)
        return found

    assert asyncio.run(collect()) == [0, 1, 2]


def test_errors_come_to_the_one_who_waits_and_the_loop_ends(tmp_path):
    async def ask():
        frames = streamfuse.subscribe_async(f"ipc://{tmp_path}/nobody", timeout=0.3)
        with pytest.raises(StreamTimeoutError):
            await anext(frames)
        return [frame async for frame in frames]

    assert asyncio.run(ask()) == []


FOREVER = """
import asyncio, sys, streamfuse

async def main():
    frames = streamfuse.subscribe_async(sys.argv[1], timeout=None, max_age=eval(sys.argv[2]))
    print("waits", flush=True)
    async for frame in frames:
        pass

asyncio.run(main())
"""


@pytest.mark.parametrize("max_age", ["None", "0.05"])
def test_ctrl_c_ends_a_plain_async_loop(tmp_path, max_age):
    command = [sys.executable, "-c", FOREVER, f"ipc://{tmp_path}/nobody", max_age]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waits\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert errors.rstrip().endswith("KeyboardInterrupt")
