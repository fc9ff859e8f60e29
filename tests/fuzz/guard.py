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
from typing import Any, Final

from tests.fuzz.finding import require

_NEVER: Final = (
    "pickle.find_class",
    "subprocess.",
    "socket.connect",
    "socket.getaddrinfo",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.remove",
    "os.rename",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "shutil.",
    "ctypes.dlopen",
)
_LIBRARIES: Final = tuple(
    f"{Path(folder).resolve()}{os.sep}" for folder in {sys.prefix, *sysconfig.get_paths().values()}
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_listening: list[tuple[tuple[str, ...], list[str]]] = []


@contextlib.contextmanager
def only_reads(*folders: Path) -> Iterator[None]:
    """Raises `Finding` where anything is written, anything but a library's files is looked at
    outside of the folders, a program is started, or a pickle names a class.
    """
    _hook()
    seen: list[str] = []
    _listening.append(((*_LIBRARIES, *(f"{folder.resolve()}{os.sep}" for folder in folders)), seen))
    try:
        yield
    finally:
        _listening.pop()
        require(not seen, f"a model made the process do {', '.join(seen)}")


@functools.cache
def _hook() -> None:
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listening:
        return
    allowed, seen = _listening[-1]
    looks = event in {"open", "os.listdir", "os.scandir"}
    writes = event == "open" and bool(arguments[2] & _WRITES)
    if event.startswith(_NEVER) or writes or (looks and not _inside(arguments[0], allowed)):
        seen.append(f"{event} {arguments[0]!r}")


def _inside(path: object, allowed: tuple[str, ...]) -> bool:
    if not isinstance(path, str | bytes):  # a file that is open already
        return True
    return f"{os.path.realpath(os.fsdecode(path))}{os.sep}".startswith(allowed)
