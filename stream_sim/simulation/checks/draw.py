"""Draw a schedule from a seed: every choice of a history is made here, before it runs."""

import random
from collections.abc import Callable
from typing import Final, get_args

from stream_sim.simulation.schedule import (
    FAULTS,
    Burst,
    Change,
    ChangeKind,
    Damage,
    Fault,
    FaultKind,
    FunctionSettings,
    MappingSettings,
    Move,
    Position,
    Reading,
    RideKind,
    Schedule,
)

_FEW_RETRIES: Final = 10
_DAMAGED: Final = 0.3
_NEW: Final = 0.8
"""Below the first, the alias moves to a damaged version; below the second, to a new one."""
_ROLLED_BACK_SECONDS: Final = 60.0
_MANY_RECORDS: Final = 100
_FEW: Final = (1, 10, 20, 100, 1000)
_MANY: Final = (10, 100, 100, 500, 1000)
"""Batch sizes: one record at a time reveals no more with 600 records than with 100."""
_DURING_A_FAULT: Final = 0.5
_GIVEN_UP: Final = 0.15
_SLOW: Final[tuple[FaultKind, ...]] = ("get-slow", "reject-slow", "put-slow")
_LARGE: Final = 0.05
"""So many predictions in a batch that it takes several calls."""
_REFUSED: Final[tuple[FaultKind, ...]] = ("put-denied", "put-throttled")
_SOON_SECONDS: Final = 20.0
LONGEST_SECONDS: Final = 600.0
"""How long rides are sent and faults occur; after that, everything settles."""

_ORDINARY: Final[dict[RideKind, float]] = {
    "ride": 20,
    "no-time": 2,
    "half-a-character": 1,
    "number-id": 2,
    "same-id": 1,
    "aggregated": 3,
}
_POISON: Final[dict[RideKind, float]] = {
    "malformed": 4,
    "noise": 1,
    "damaged-kpl": 1,
    "fails-the-model": 1,
    "not-a-number": 1,
    "infinite": 0.5,
    "below-zero": 0.5,
    "huge": 0.05,
}
_LARGE_RECORDS: Final = 0.05
_FAN_OUT: Final = 0.2
"""Shares of histories whose stream takes large records, and whose mapping uses enhanced fan-out."""
_DEADLY: Final[dict[RideKind, float]] = {"kills": 1, "hangs": 0.5}
_CHANGES: Final[tuple[ChangeKind, ...]] = (*get_args(ChangeKind), "mapping-restarts")
_POSITIONS: Final[dict[Position, int]] = {"TRIM_HORIZON": 8, "LATEST": 1, "AT_TIMESTAMP": 1}
_DAMAGES: Final[tuple[Damage, ...]] = get_args(Damage)


def draw(seed: int) -> Schedule:
    """The schedule for that seed: the same for the same seed and version of this module."""
    return _Draw(seed).schedule()


class _Draw:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = random.Random(seed)
        self._seconds = self._rng.choice([10.0, 60.0, 120.0, LONGEST_SECONDS])
        self._deadly = self._rng.random() < 0.3
        self._given_up = self._rng.random() < _GIVEN_UP
        self._large = self._rng.random() < _LARGE
        self._large_records = self._rng.random() < _LARGE_RECORDS
        self._records = 600 if self._large else self._rng.choice([10, 50, 100, 200, 400, 600])
        self._faults = self._several(self._fault, 8)
        if self._given_up:
            self._faults += tuple(map(self._lasting, _SLOW))
        if self._large:
            self._faults += tuple(map(self._lasting, _REFUSED))

    def schedule(self) -> Schedule:
        rng = self._rng
        return Schedule(
            seed=self._seed,
            mapping=self._mapping(),
            function=self._function(),
            events_shards=1 if self._large else rng.choice([1, 1, 2, 3, 5]),
            predictions_shards=rng.choice([1, 1, 2, 4]),
            own_numbers=rng.random() < 0.3,
            large_records=self._large_records,
            bursts=self._bursts(),
            faults=self._faults,
            changes=self._changes(),
            moves=self._moves(),
        )

    def _mapping(self) -> MappingSettings:
        rng = self._rng
        retries = rng.choice([0, 1, 3, 10, 10_000, -1])
        # A record that always kills the function would otherwise be retried until it expires.
        ever = self._deadly and not 0 <= retries <= _FEW_RETRIES
        age = rng.choice([60.0, 300.0] if ever else [60.0, 21_600.0, -1.0])
        return MappingSettings(
            batch_size=self._batch_size(),
            batching_window_seconds=rng.choice([0.0, 0.0, 0.0, 1.0, 5.0]),
            parallelization_factor=rng.choice([1, 1, 1, 2, 10]),
            bisect=rng.random() < 0.7,
            retry_attempts=retries,
            record_age_seconds=age,
            tumbling_window_seconds=rng.choice([0.0] * 9 + [30.0]),
            enhanced_fan_out=rng.random() < _FAN_OUT,
            starting_position=rng.choices(list(_POSITIONS), list(_POSITIONS.values()))[0],
            reading=Reading(
                progress_is_retried=rng.random() < 0.5,
                halved_at_no_progress=rng.random() < 0.5,
                longest_wait_seconds=rng.choice([1.0, 10.0, 60.0]),
                window_wait_seconds=rng.choice([5.0, 120.0]),
                shared_numbers=rng.random() < 0.5,
                hash_keys_count=rng.random() < 0.5,
            ),
        )

    def _batch_size(self) -> int:
        if self._large:
            return 1000
        return self._rng.choice(_FEW if self._records <= _MANY_RECORDS else _MANY)

    def _function(self) -> FunctionSettings:
        rng = self._rng
        return FunctionSettings(
            timeout_seconds=rng.choice([10.0, 10.0, 60.0]),
            refresh_seconds=rng.choice([0.0, 5.0, 30.0, 30.0]),
            aggregation=rng.choice(["none", "none", "none", "kpl"]),
        )

    def _bursts(self) -> tuple[Burst, ...]:
        records = self._records
        bursts = []
        while records > 0:
            count = min(records, 600 if self._large else self._rng.choice([1, 5, 20, 50, 150]))
            bursts.append(Burst(self._moment(), self._number(), self._kinds(count)))
            records -= count
        return tuple(sorted(bursts, key=lambda burst: burst.at))

    def _kinds(self, count: int) -> tuple[RideKind, ...]:
        weights = _ORDINARY | (_POISON if self._given_up or self._rng.random() < 0.5 else {})
        kinds = self._rng.choices(list(weights), list(weights.values()), k=count)
        if self._deadly and self._rng.random() < 0.3:
            deadly = self._rng.choices(list(_DEADLY), list(_DEADLY.values()))
            kinds[self._rng.randrange(count)] = deadly[0]
        if self._large_records and self._rng.random() < 0.3:
            kinds[self._rng.randrange(count)] = "large"
        return tuple(kinds)

    def _fault(self) -> Fault:
        rng = self._rng
        return Fault(
            kind=rng.choice(FAULTS),
            at=self._moment(),
            seconds=rng.choice([1.0, 5.0, 30.0, 120.0]),
            share=rng.choice([0.05, 0.3, 0.7, 1.0]),
            seed=self._number(),
        )

    def _lasting(self, kind: FaultKind) -> Fault:
        return Fault(kind, 0.0, self._seconds, 0.5, self._number())

    def _changes(self) -> tuple[Change, ...]:
        """Restarts while everything is slow leave abandoned invocations behind, which end late."""
        changes = self._several(self._change, 4)
        if self._given_up:
            changes += tuple(Change("mapping-restarts", self._moment()) for _ in range(5))
        return changes

    def _change(self) -> Change:
        """Some come during a fault: a mapping that restarts then rereads records that are still in
        flight."""
        at = self._moment()
        if self._faults and self._rng.random() < _DURING_A_FAULT:
            at = self._rng.choice(self._faults).at + self._rng.uniform(0.0, _SOON_SECONDS)
        return Change(self._rng.choice(_CHANGES), round(at, 3), self._rng.randrange(8))

    def _moves(self) -> tuple[Move, ...]:
        """The first version is undamaged, and so is the last: somebody rolls back."""
        rng = self._rng
        first = rng.choice([-1.0, -1.0, -1.0, 20.0])
        moves, whole = [Move(first, 1)], [1]
        for version, at in enumerate(sorted(self._moment() for _ in range(rng.randrange(4))), 2):
            if at <= first:
                continue
            chance = rng.random()
            if chance < _DAMAGED:
                moves.append(Move(at, version, rng.choice(_DAMAGES)))
            else:
                whole.append(version if chance < _NEW else rng.choice(whole))
                moves.append(Move(at, whole[-1]))
        if moves[-1].damage:
            moves.append(Move(moves[-1].at + _ROLLED_BACK_SECONDS, whole[-1]))
        return tuple(moves)

    def _several[T](self, draw: Callable[[], T], most: int) -> tuple[T, ...]:
        return tuple(draw() for _ in range(self._rng.choice([0, 1, 2, most // 2, most])))

    def _moment(self) -> float:
        return round(self._rng.uniform(0.0, self._seconds), 3)

    def _number(self) -> int:
        return self._rng.randrange(2**32)
