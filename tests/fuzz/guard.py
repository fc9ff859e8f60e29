"""Watches what a model that is read makes the process do: files opened, programs started, pickles.

Python says so by audit events. A hook stays as long as the process, so it only listens while a
guard is on; and it takes notes, as what it raised would be caught by what it watches.
"""

import contextlib
import functools
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.fuzz.finding import require

_NEVER: Final = (
    "pickle.find_class",
    "subprocess.",
    "socket.connect",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "shutil.",
    "ctypes.dlopen",
)
_LIBRARIES: Final = tuple(
    str(Path(folder).resolve()) for folder in {sys.prefix, *sysconfig.get_paths().values()}
)
_listening: list[tuple[tuple[str, ...], list[str]]] = []


@contextlib.contextmanager
def only_reads(*folders: Path) -> Iterator[None]:
    """Raises `Finding` where anything but a library's files is opened outside of the folders, a
    program is started, or a pickle names a class.
    """
    _hook()
    seen: list[str] = []
    _listening.append(((*_LIBRARIES, *(str(folder.resolve()) for folder in folders)), seen))
    try:
        yield
    finally:
        _listening.pop()
        require(not seen, f"a model made the process do {', '.join(seen)}")


@functools.cache
def _hook() -> None:
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if not _listening:
        return
    allowed, seen = _listening[-1]
    if event.startswith(_NEVER) or (event == "open" and not _inside(arguments[0], allowed)):
        seen.append(f"{event} {arguments[0]!r}")


def _inside(path: object, allowed: tuple[str, ...]) -> bool:
    if not isinstance(path, str | bytes):  # a file that is open already
        return True
    return os.path.realpath(os.fsdecode(path)).startswith(allowed)
