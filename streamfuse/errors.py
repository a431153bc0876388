"""Every error that streamfuse raises on purpose.

Each one is a `StreamfuseError` and also the builtin that fits, so that callers can catch either. A message is one
plain sentence: what was asked for (the file, the device), what was found, what to do next.
"""

import difflib
import errno
import re
from collections.abc import Iterable

# Up to the last @ of the host part; a slash inside a password is not allowed there, and is typed all the same. An
# address that was taken for the name of a file has lost one of its slashes.
_USER_INFO = re.compile(r"(\w+:/{1,2})(?:[^\s/?#]+@|[^\s/?#@:]*:(?!\d+/)[^\s@?#]*@)")
# RTMP servers know who may send by what stands behind the application; FFmpeg takes some of it behind a space. A
# scheme that is nearly RTMP is a misspelt one.
_STREAM_KEY = re.compile(
    r"(?<![a-z])([a-gi-z]?[rtmp]{3,5}[a-z]{0,2}:/{1,2}[^\s/?#'\"]+/[^\s/?#'\"]*[/?])"
    r"[^\s'\"\\]*[^\s'\"\\,.;:!?)\]}]|\b(playpath=)\S+",
    re.IGNORECASE,
)
_SECRET_PARAMETER = re.compile(
    r"([?&](?:\w*(?:pass|token|secret|key|auth|sig|pwd)\w*|user|usr|username|streamid)=)[^&#\s]*",
    re.IGNORECASE,
)


class StreamfuseError(Exception):
    """Base of all errors raised on purpose; the command line prints its text and exits with 1."""

    exit_code = 1


class UsageError(StreamfuseError, ValueError):
    """The options contradict each other or make no sense for this input (exit status 2)."""

    exit_code = 2


class ConfigError(StreamfuseError, ValueError):
    """A configuration file that cannot be read or does not fit the schema (exit status 2)."""

    exit_code = 2


class InputNotFoundError(StreamfuseError, FileNotFoundError):
    """There is nothing at the path that was given as input."""


class InputError(StreamfuseError, ValueError):
    """The input exists and cannot be used: not a video, no frames, frames of different sizes ..."""


class ExposureError(StreamfuseError, ValueError):
    """The frames do not alternate in exposure in a way that can be recognised."""


class OutputExistsError(StreamfuseError, FileExistsError):
    """The output is there already and `--overwrite` was not given."""


class OutputError(StreamfuseError, OSError):
    """The output cannot be opened or written: no such folder, no permission, disk full ..."""


class EncoderError(StreamfuseError, ValueError):
    """What was asked for cannot be written so: the kind of file, the encoder, its depth, pixel format or size."""

    exit_code = 2


class WeightsError(StreamfuseError, ValueError):
    """A weights file that is missing, damaged, or made for another network."""


class DeviceError(StreamfuseError, RuntimeError):
    """The compute device that was asked for is not there."""


class ForkedError(StreamfuseError, RuntimeError):
    """Something that was begun before a fork is used in the forked process."""


class StageTimeoutError(StreamfuseError, TimeoutError):
    """A pipeline stage did not stop in time."""


class WireError(StreamfuseError, ValueError):
    """A message from the network that does not follow the protocol: nothing of it was used."""


class WireVersionError(WireError):
    """A message of another version of the protocol."""


class WireLimitError(WireError):
    """A message that says it is, or is, larger than the receiver allows."""


class StreamTimeoutError(StreamfuseError, TimeoutError):
    """Nothing came from, or could be given to, the other end of a network stream in time."""


class StreamAccessError(StreamfuseError, PermissionError):
    """The other end of a network stream refused the key, or has another key than expected."""


class CameraError(StreamfuseError, OSError):
    """A camera or a network stream that cannot be opened, refuses a setting, or was lost."""


def shortened(value: object, most: int = 80) -> str:
    """Give a value as it was given, in quotes where it is text, at most so many characters of it.

    Example:
        >>> shortened("9" * 5000, 10)
        "'999999999 ..."
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number with thousands of digits, a list that is nested too deep
        return f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[:most]} ..."


def without_credentials(text: str) -> str:
    """Text with the user, the password, the secret parameters and the stream key of every URL in it as `***`.

    Whatever is told to anybody comes through here: names in status, metrics and summaries, sentences, the log.

    Example:
        >>> without_credentials("rtsp://me:secret@10.0.0.5/live?token=abc")
        'rtsp://***@10.0.0.5/live?token=***'
        >>> without_credentials("rtmp://a.example.org/live2/abcd-efgh")
        'rtmp://a.example.org/live2/***'
    """
    text = _USER_INFO.sub(r"\1***@", text)
    text = _STREAM_KEY.sub(lambda found: f"{found[1] or found[2]}***", text)
    return _SECRET_PARAMETER.sub(r"\1***", text)


NO_MEMORY = (
    "There is not enough memory for this: close other programs, raise the limit that was set (ulimit -v), or take "
    "smaller pictures or --preset fast."
)
# Of errors without a number: OpenCV, torch, thread creation, the loader of libraries.
_NO_MEMORY_WORDS = re.compile(
    r"insufficient memory|(can't|cannot) allocate memory|out of memory|not enough memory|can't start new thread"
    r"|failed to map segment|std::bad_alloc",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of any library, or one that caused it, says that memory could not be had."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, MemoryError) or (isinstance(found, OSError) and found.errno == errno.ENOMEM):
            return True
        # Of what is wrong with a value the text may be endless, and it is never the memory.
        if not isinstance(found, StreamfuseError | ValueError) and _NO_MEMORY_WORDS.search(str(found)):
            return True
        found = found.__cause__ or found.__context__
    return False


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give " did you mean ...?" with the known word that is nearest, or nothing.

    Args:
        word: as it was written.
        known: all that there are; of those with a dot, such as `fuse.preset`, what is behind it is compared, too.
    """
    # Of settings that share a name those of `live` are the least likely to be meant.
    names = sorted(known, key=lambda name: not name.startswith("live."))
    by_name = {name.rpartition(".")[2]: name for name in names} | {name: name for name in names}
    last = word.rpartition(".")[2]
    if last in by_name:
        return f" did you mean {by_name[last]!r}?"
    for form in (word, last):
        if near := difflib.get_close_matches(form, by_name, 1):
            return f" did you mean {by_name[near[0]]!r}?"
    return ""
