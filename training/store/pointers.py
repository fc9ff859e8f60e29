"""Alias pointers of the model store, each with the history of its moves.

The moves are stored in the pointer object itself, so a move and its record are a single write. The
function reads only the pointer's first four fields.
"""

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE
from ride_scoring.models.store import AliasPointer, pointer_key
from training.provenance import person

Why = Literal["publish", "rollback"]

_MOST_MOVES: Final = 200
"""Older moves are dropped: the function rereads the object whenever it changes."""


class Move(msgspec.Struct, frozen=True):
    """One move of an alias from `before`, which may be None, to `version`."""

    at: datetime
    by: str
    why: Why
    before: str | None
    version: str
    manifest_sha256: str


class MovedPointer(AliasPointer, frozen=True):
    """A pointer with its moves, oldest first."""

    moves: tuple[Move, ...] = ()


class Pointer:
    """One alias, as read at construction. A move fails if another came first."""

    def __init__(self, bucket: Bucket, name: str, alias: str) -> None:
        self.key = pointer_key(name, alias)
        self._bucket = bucket
        self._alias = alias
        stored = bucket.get(self.key)
        self._etag = stored.etag if stored else None
        self.named = _decode(stored.body) if stored else None

    def move(self, version: str, manifest_sha256: str, why: Why) -> MovedPointer:
        """Points to the version and its manifest's SHA-256. Raises `UserError`.

        Writes nothing if it already does.
        """
        named = self.named
        if named and (named.version, named.manifest_sha256) == (version, manifest_sha256):
            return named
        before = self.named.version if self.named else None
        move = Move(datetime.now(UTC), person(), why, before, version, manifest_sha256)
        moves = (*(self.named.moves if self.named else ()), move)[-_MOST_MOVES:]
        moved = MovedPointer(version, manifest_sha256, _previous(moves), move.at, moves)
        body = msgspec.json.encode(moved)
        if self._bucket.write(self.key, body, self._etag) is None:
            raise UserError(
                f"somebody else moved {self._alias} in s3://{self._bucket.name} meanwhile: look at "
                "`python -m training history`, then run this again"
            )
        return moved


def aliases(bucket: Bucket, name: str) -> list[str]:
    """All aliases of a model in the store."""
    prefix = pointer_key(name, "").removesuffix(".json")
    return [found.key.removeprefix(prefix).removesuffix(".json") for found in bucket.listed(prefix)]


def _decode(body: bytes) -> MovedPointer | None:
    try:
        return msgspec.json.decode(body, type=MovedPointer)
    except UNREADABLE:
        return None  # a damaged pointer serves nobody, and the next move repairs it


def _previous(moves: tuple[Move, ...]) -> str | None:
    """The rollback target: a rollback undoes the last move that is not yet undone.

    So repeated rollbacks go further back, and never forward again.
    """
    past: list[str] = []
    for move in moves:
        if move.why == "rollback":
            del past[-1:]
        elif move.before is not None and move.before != move.version:
            past.append(move.before)
    return past[-1] if past else None
