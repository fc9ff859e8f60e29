"""Standard output and standard error of every command line.

Both accept any text, whatever the terminal's encoding: unencodable characters become their nearest
ASCII equivalent. A failed write to standard output, such as to a full disk or a closed pipe, is a
one-sentence error. Standard error carries progress, and failed writes to it are ignored.
"""

import codecs
import contextlib
import io
import os
import re
import sys
import unicodedata
from pathlib import Path
from typing import Final, TextIO

from ride_scoring.errors import RideScoringError

_NEAREST: Final = {
    **dict.fromkeys("─━┄┅┈┉╌╍═╴╶╸╺╼╾–—", "-"),
    **dict.fromkeys("│┃┆┇┊┋╎╏║╵╷╹╻╽╿", "|"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’", "'"),
    "→": "->",
    "…": "...",
    "✓": "+",
    "✗": "x",
    "▸": ">",
    "×": "x",
    "µ": "u",
}
_LINES: Final = range(0x2500, 0x2580)
"""Box drawing, https://www.unicode.org/charts/PDF/U2500.pdf: what is not in `_NEAREST` is a corner.
"""
_BYTES: Final = range(0xDC80, 0xDD00)
"""Lone surrogates that Python decodes invalid bytes in file names to (PEP 383)."""


class OutputLost(RideScoringError):
    """Standard output could not be written."""


class _Output(io.TextIOWrapper):
    """Standard output. Raises `OutputLost`."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _lost(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _lost(error) from error


class _Progress(io.TextIOWrapper):
    """Standard error."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def prepare() -> None:
    """Sets up this process's standard output and error. Raises `OutputLost` if standard output is
    closed."""
    codecs.register_error("nearest", _nearest)
    closed = sys.stdout is None
    streams = {"stderr": _as(_Progress, sys.stderr), "stdout": _as(_Output, sys.stdout)}
    # Under both names: the interpreter's original streams are detached.
    vars(sys).update(streams, **{f"__{name}__": stream for name, stream in streams.items()})
    if closed:
        raise OutputLost("standard output is closed")


def finish() -> None:
    """Flushes standard output. Raises `OutputLost`."""
    sys.stdout.flush()


def give_up() -> None:
    """Discards what is buffered, which the interpreter would otherwise try to write at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def readable_json(text: str) -> str:
    """JSON for standard output, escaped to ASCII unless that is UTF-8, so that readers get the same
    text."""
    if codecs.lookup(sys.stdout.encoding).name == "utf-8":
        return text
    return re.sub(r"[^\x00-\x7f]", _escaped, text)


def _as(kind: type[io.TextIOWrapper], stream: TextIO | None) -> TextIO:
    """Rewraps the stream; replacements for it, as in tests, are left alone."""
    if stream is None:
        return kind(Path(os.devnull).open("wb"), encoding="utf-8")
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding, line_buffering, write_through = (
        stream.encoding,
        stream.line_buffering,
        stream.write_through,
    )
    return kind(
        stream.detach(),
        encoding=encoding,
        errors="nearest",
        line_buffering=line_buffering,
        write_through=write_through,
    )


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """A `codecs` error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unencodable = error.object[error.start : error.end]
    return "".join(map(_in_ascii, unencodable)), error.end


def _in_ascii(character: str) -> str:
    number = ord(character)
    if nearest := _NEAREST.get(character):
        return nearest
    if number in _LINES:
        return "+"
    if number in _BYTES:
        return f"\\x{number - _BYTES.start + 0x80:02x}"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or character.encode("ascii", "backslashreplace").decode()


def _escaped(character: re.Match[str]) -> str:
    """Escapes as JSON does: characters beyond U+FFFF become surrogate pairs."""
    units = character[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _lost(error: OSError) -> OutputLost:
    why = os.strerror(error.errno or 0).lower()
    return OutputLost(f"cannot write to standard output ({why}): the output is incomplete")
