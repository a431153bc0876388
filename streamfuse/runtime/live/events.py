"""What happens in a live run, told once: to people as sentences, to machines as one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from streamfuse.errors import without_credentials

LOGGER = logging.getLogger("streamfuse")
Level = Literal["info", "warning", "error"]


class Events:
    """Tells events to Python's logging, under `streamfuse.runtime.live`; credentials are taken out."""

    def __init__(self) -> None:
        self._logger = LOGGER.getChild("live")
        self._told: set[str] = set()

    def tell_once(self, event: str, text: str) -> None:
        """Tell one event, if none of this kind was told so before."""
        if event not in self._told:
            self._told.add(event)
            self.tell(event, text)

    def tell(self, event: str, text: str, *, level: Level = "info", **fields: object) -> None:
        """Tell one event: its kind, a sentence, and figures that belong to it."""
        extra = {"event": event, "fields": fields}
        self._logger.log(logging.getLevelName(level.upper()), "%s", without_credentials(text), extra=extra)


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `time` (UTC, ISO 8601), `level`, `event`, `text`, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment,
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
            "text": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(_clean(line), default=str)


class TextFormatter(logging.Formatter):
    """The sentence, and the traceback of an exception where there is one, without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as text."""
        return without_credentials(super().format(record))


def _clean(value: object) -> object:
    """Without the credentials in any text in it."""
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


class StderrHandler(logging.Handler):
    """Prints records on whatever standard error is at that moment: a status line may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        with suppress(OSError, ValueError):  # nobody reads it any more: no reason to end a run
            print(self.format(record), file=sys.stderr, flush=True)


def log_to_stderr(*, as_json: bool = False, level: int = logging.INFO) -> logging.Handler:
    """Print everything under the logger `streamfuse`; gives the handler, for `stop_logging`."""
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter("%(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    LOGGER.propagate = False
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Print no more."""
    LOGGER.removeHandler(handler)
    LOGGER.propagate = True
