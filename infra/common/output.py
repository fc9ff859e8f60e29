"""Standard output and standard error, as every command line of the project has them.

Every text can be written to them, whatever encoding the terminal has: what it cannot show becomes
the nearest that ASCII has. A standard output that takes no more, such as a full disk or a pipe that
nobody reads any longer, is an error of one sentence. Standard error carries progress, and no run
ends because nobody can be told of it.
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
"""https://www.unicode.org/charts/PDF/U2500.pdf: what is neither of the first two, is a corner."""
_BYTES: Final = range(0xDC80, 0xDD00)
"""What Python makes of the bytes of a file's name that are no text: PEP 383."""


class OutputLost(RideScoringError):
    """Standard output did not take what a command had to say."""


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
    """Sets up this process's standard output and error. Raises `OutputLost` where there is no
    standard output.
    """
    codecs.register_error("nearest", _nearest)
    closed = sys.stdout is None
    streams = {"stderr": _as(_Progress, sys.stderr), "stdout": _as(_Output, sys.stdout)}
    # Under both names: the streams that the interpreter began with are of no use any more.
    vars(sys).update(streams, **{f"__{name}__": stream for name, stream in streams.items()})
    if closed:
        raise OutputLost("there is no standard output to print to: it is closed")


def finish() -> None:
    """Writes what is still to be written. Raises `OutputLost`."""
    sys.stdout.flush()


def give_up() -> None:
    """Sends what is left nowhere, as the interpreter would else try to write it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def readable_json(text: str) -> str:
    """JSON for standard output: all but ASCII escaped where that is not UTF-8, so that who reads it
    gets the same texts.
    """
    if codecs.lookup(sys.stdout.encoding).name == "utf-8":
        return text
    return re.sub(r"[^\x00-\x7f]", _escaped, text)


def _as(kind: type[io.TextIOWrapper], stream: TextIO | None) -> TextIO:
    """The stream in its new form; what stands in for one, as in tests, stays as it is."""
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
    """An error handler of `codecs`."""
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
    """As JSON writes it: one beyond U+FFFF is a pair of surrogates."""
    units = character[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _lost(error: OSError) -> OutputLost:
    why = os.strerror(error.errno or 0).lower()
    return OutputLost(f"standard output takes no more ({why}): not all was printed")
