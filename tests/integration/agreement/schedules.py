"""A seed in, a schedule out: a mapping, and records that say what the function does with them."""

import random
from typing import Final, Literal

import msgspec

from stream_sim.simulation.world.stream import HASH_KEYS, Entry
from tests.integration.agreement.scripted import ANSWERS, ENTRIES, INSTEAD

_RETRIES: Final = (3, 2, -1, 1, 0)
_WITHOUT_REPORTS: Final = 5
"""The one of eight schedules whose mapping does not ask for ReportBatchItemFailures."""
_WEIGHTS: Final = {"report": 12.0, "ok": 6.0, "hang": 0.5}
"""How often a record asks for something, where that is not once. A hang takes seconds."""


class Schedule(msgspec.Struct, frozen=True):
    """`earlier` are put before the mapping is there, `later` once it reads. With `reports` it asks
    for ReportBatchItemFailures.
    """

    seed: int
    shards: int
    batch_size: int
    retry_attempts: int
    reports: bool
    position: Literal["TRIM_HORIZON", "LATEST"]
    earlier: tuple[Entry, ...]
    later: tuple[Entry, ...]

    @property
    def hangs(self) -> bool:
        return any(b'"hang"' in entry.data for entry in (*self.earlier, *self.later))

    def entry_for_each_shard(self, first_id: int) -> list[Entry]:
        """Records that ask for nothing."""
        return [
            entry(first_id + shard, (), explicit_hash_key=HASH_KEYS * shard // self.shards + 1)
            for shard in range(self.shards)
        ]


def draw(seed: int) -> Schedule:
    """The schedule of that seed. Settings take turns, so that seeds in a row have all of them.

    Every fourth begins at LATEST, with batches of one record: how many are read at once would
    depend on the moment there.
    """
    rng = random.Random(seed)
    late = seed % 4 == 3
    shards = seed % 3 + 1
    batch_size = 1 if late else rng.randint(2, 20)
    count = shards * (10 if late else rng.randint(3 * batch_size, 5 * batch_size))
    entries = tuple(_drawn(rng, number, batch_size) for number in range(count))
    split = count // 2 if late else count
    return Schedule(
        seed=seed,
        shards=shards,
        batch_size=batch_size,
        retry_attempts=_RETRIES[seed % len(_RETRIES)],
        reports=seed % 8 != _WITHOUT_REPORTS,
        position="LATEST" if late else "TRIM_HORIZON",
        earlier=entries[:split],
        later=entries[split:],
    )


def entry(number: int, does: tuple[str, ...], explicit_hash_key: int | None = None) -> Entry:
    """A record with that id, which asks for that."""
    data = msgspec.json.encode({"id": number, "does": does})
    return Entry(data, f"key-{number}", explicit_hash_key)


def _drawn(rng: random.Random, number: int, batch_size: int) -> Entry:
    """One or two records of a batch ask for something."""
    does = _script(rng) if rng.random() < min(0.4, 1.5 / batch_size) else ()
    hash_key = rng.randrange(HASH_KEYS) if rng.random() < 0.5 else None
    return entry(number, does, hash_key)


def _script(rng: random.Random) -> tuple[str, ...]:
    """Some fail until the retries are spent."""
    if rng.random() < 0.25:
        return (rng.choice(("report", "report", "raise", "exit")),) * (max(_RETRIES) + 1)
    acts = ("ok", *INSTEAD, *ANSWERS, *ENTRIES)
    weights = [_WEIGHTS.get(act, 1.0) for act in acts]
    return tuple(rng.choices(acts, weights, k=rng.randint(1, 3)))
