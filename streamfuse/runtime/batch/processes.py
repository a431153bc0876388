"""Where parts are fused: processes on this machine, or a Ray cluster."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stdout
from types import ModuleType

from streamfuse.errors import StreamfuseError, UsageError
from streamfuse.runtime.batch.plan import Film, digest
from streamfuse.runtime.batch.work import PartResult, Piece, work

Task = tuple[Film, int]  # a film, and the number of its part
_END_SECONDS = 5.0
_DIED = "{source}: the process that fused it was killed (out of memory?): try again with --resume and fewer --workers."


def run_locally(tasks: Sequence[Task], workers: int, threads: int) -> Iterator[tuple[Task, Piece]]:
    """Fuse parts in `workers` processes with `threads` threads each; results as they come.

    When the iteration is left early, what runs is ended; when this process dies, even killed, so do the workers.
    """
    # Forked processes would inherit threads of OpenCV and torch in a state that hangs.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, initializer=_end_with_parent)
    futures: dict[Future[Piece], Task] = {}
    try:
        # Ctrl-C reaches all processes of a terminal, and the first one ends the others: they start with it blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for film, number in tasks:
                futures[pool.submit(work, film, number, threads, digest(film.fingerprint))] = (film, number)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for future in as_completed(futures):
            task = futures[future]
            try:
                yield task, future.result()
            except BrokenProcessPool:
                yield task, Piece(PartResult(error=_DIED.format(source=task[0].source)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        _end([process for process in multiprocessing.active_children() if process not in others])


def _end(processes: Sequence[multiprocessing.process.BaseProcess]) -> None:
    """End them and wait until they are gone: what runs next may use their files."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_END_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _end_with_parent() -> None:
    """Have this process die with the one that started it, which may be gone already."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_after, args=(parent.sentinel,), daemon=True).start()


def _die_after(sentinel: int) -> None:
    """Wait for the end of a pipe that the system closes when the parent ends, however it ends."""
    multiprocessing.connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def run_on_ray(tasks: Sequence[Task], address: str, threads: int) -> Iterator[tuple[Task, Piece]]:
    """Fuse parts on a Ray cluster; results as they come. All machines have to see the files under the same paths.

    Args:
        tasks: what to fuse.
        address: of the cluster, as `ray.init` takes it, such as 'auto' or 'ray://host:10001'; 'local' starts one here.
        threads: CPUs that a part takes.

    Raises:
        UsageError: Ray is not installed.
        StreamfuseError: the cluster does not answer.
    """
    with _printing_elsewhere():
        yield from _on_ray(tasks, address, threads)


@contextmanager
def _printing_elsewhere() -> Iterator[None]:
    """Have what Ray prints, from whatever language, go to standard error: standard output is for our results."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _on_ray(tasks: Sequence[Task], address: str, threads: int) -> Iterator[tuple[Task, Piece]]:
    ray = _connected(address)
    try:
        remote = ray.remote(num_cpus=threads)(work)
        waiting = {
            remote.remote(film, number, threads, digest(film.fingerprint)): (film, number)
            for film, number in tasks
        }
        while waiting:
            (ready, *_), _ = ray.wait(list(waiting), num_returns=1)
            task = waiting.pop(ready)
            try:
                yield task, ray.get(ready)
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[0]
                failed = f"{task[0].source}: a machine of the cluster failed: {reason}"
                yield task, Piece(PartResult(error=failed))
    finally:
        ray.shutdown()


def _connected(address: str) -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--ray needs the Python package ray: install it with pip install ray.") from error
    if ":" in address:
        _knock(address)
    try:
        ray.init(None if address == "local" else address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StreamfuseError(
            f"The Ray cluster {address} cannot be reached ({reason}): check --ray."
        ) from error
    return ray


def _knock(address: str) -> None:
    """Ray itself waits minutes for a machine that is not there."""
    host, _, port = address.removeprefix("ray://").rstrip("/").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        raise StreamfuseError(
            f"The Ray cluster {address} cannot be reached ({error}): check --ray HOST:PORT."
        ) from error
