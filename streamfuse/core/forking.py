"""What is left of streamfuse in a process that was forked: arithmetic in one thread, and nothing that was under way.

A fork copies memory and the one thread that asks for it. The pools of OpenCV and torch would wait for threads that
are not there, for ever; readers and receivers would wait for frames that nobody brings.
"""

from __future__ import annotations

import os
import sys

from streamfuse.errors import ForkedError

_forked = False
_cv2_threads = 1  # of OpenCV, while a fork goes on


def is_forked() -> bool:
    """Tell whether this process was forked from one that had streamfuse already."""
    return _forked


class Owner:
    """Remembers which process began something that lives in threads.

    Args:
        what: the subject of the sentence that refuses another process, such as "This stream".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._process = os.getpid()

    @property
    def is_here(self) -> bool:
        """Tell whether this is the process that began it; nothing of it can be closed in another one either."""
        return os.getpid() == self._process

    def check(self) -> None:
        """Refuse to go on in another process.

        Raises:
            ForkedError: this is not the process that began it.
        """
        if not self.is_here:
            raise ForkedError(
                f"{self._what} was begun in another process, and its threads did not come along when this one was "
                "forked: begin it here, after the fork."
            )


def _before() -> None:
    """End the threads of OpenCV, as far as they are idle; they come back when they are needed."""
    global _cv2_threads  # noqa: PLW0603
    cv2 = sys.modules.get("cv2")
    if cv2 is not None:
        _cv2_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)


def _after_in_parent() -> None:
    """Let OpenCV have its threads again."""
    cv2 = sys.modules.get("cv2")
    if cv2 is not None:
        cv2.setNumThreads(_cv2_threads)


def _after_in_child() -> None:
    """Go on with one thread: OpenCV's number is 1 by now, and torch asks its pool for nothing when it has 1."""
    global _forked  # noqa: PLW0603
    _forked = True
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):  # one that is being imported has none yet
        torch.set_num_threads(1)


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
