"""Who moved which alias when, and why, in MLflow's registry and in the model store."""

from datetime import datetime
from typing import Literal

import msgspec
from mlflow import MlflowClient

from infra.common import console
from infra.common.bucket import Bucket
from training.registry import versions
from training.store.pointers import Pointer, aliases


class Entry(msgspec.Struct, frozen=True):
    """One move, in the registry or the store."""

    at: datetime
    where: Literal["registry", "store"]
    alias: str
    before: str | None
    version: str
    why: str
    by: str
    note: str


def history(client: MlflowClient, store: Bucket | None, name: str) -> list[Entry]:
    """All moves of a model's aliases, oldest first; includes the store's if a bucket is given."""
    found = [
        Entry(
            move.at, "registry", move.alias, move.before, move.version, move.why, move.by, move.note
        )
        for move in versions.moves(client, name)
    ]
    if store is not None:
        found += _of_store(store, name)
    return sorted(found, key=lambda entry: entry.at)


def _of_store(store: Bucket, name: str) -> list[Entry]:
    pointers = [(alias, Pointer(store, name, alias).named) for alias in aliases(store, name)]
    for alias in (alias for alias, named in pointers if named is None):
        console.err.print(f"{alias} in s3://{store.name} is damaged: its moves cannot be shown")
    return [
        Entry(move.at, "store", alias, move.before, move.version, move.why, move.by, "")
        for alias, named in pointers
        if named is not None
        for move in named.moves
    ]


def lines(entries: list[Entry]) -> list[str]:
    """A table for the terminal: one line per move, and one for its reasons."""
    found = []
    for entry in entries:
        moved = f"{entry.before} → {entry.version}" if entry.before else entry.version
        found.append(
            f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.where:<8}  {entry.alias}: {moved}  "
            f"({entry.why}, {entry.by})"
        )
        if entry.note:
            found.append(f"{'':22}{entry.note}")
    return found
