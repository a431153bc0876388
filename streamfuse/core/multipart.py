"""Motion JPEG over HTTP: an endless multipart answer, which browsers, players and recorders show as moving pictures."""

from __future__ import annotations

MEDIA_TYPE = "multipart/x-mixed-replace; boundary=picture"
BOUNDARY = b"--picture\r\n"


def part(picture: bytes, number: int) -> bytes:
    """Give a JPEG, and its number, as one part of an answer, which begins with `BOUNDARY`.

    The boundary goes with the picture before it: browsers show a picture when they see where it ends.
    """
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\nX-Picture-Number: {number}\r\n\r\n"
    return b"".join((head.encode(), picture, b"\r\n", BOUNDARY))
