"""Moves the model while rides run: swaps a version in, rolls it back, damages its pointer."""

import itertools
import random
import time
from collections import Counter
from typing import Final

import msgspec

from infra.stack import Stack, TrainedModel
from ride_scoring import aws
from ride_scoring.models.store import pointer_key

_TRIPS: Final = "synthetic:5000:1"
_JSON: Final = "application/json"
_DAMAGED_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = (5.0, 20.0)

SWAPS, ROLLBACKS, DAMAGED = "swaps", "rollbacks", "damaged pointers"


class Moves:
    """Moves the champion of a stack with the project's own commands; `counts` counts each move."""

    def __init__(self, deployed: Stack, first: TrainedModel, seed: int) -> None:
        self.counts: Counter[str] = Counter({SWAPS: 0, ROLLBACKS: 0, DAMAGED: 0})
        self._deployed = deployed
        self._first = first
        self._random = random.Random(seed)
        self._order = itertools.cycle((self.swap, self.roll_back, self.damage))

    def train(self) -> None:
        """Trains and registers the version to swap in. Raises `StepFailed`."""
        said = self._deployed.command("training", "train", _TRIPS, "--json")
        self._second = msgspec.json.decode(said, type=TrainedModel)

    def pause(self, most_seconds: float) -> float:
        """Seconds until the next move."""
        return min(self._random.uniform(*_PAUSE_SECONDS), most_seconds)

    def next(self) -> None:
        next(self._order)()

    def swap(self) -> None:
        """Promotes and publishes the second version."""
        version = ("--version", self._second.version)
        self._deployed.command("training", "promote", *version, "--force", "--json")
        self._deployed.command("training", "publish", "--json")
        self.counts[SWAPS] += 1

    def roll_back(self) -> None:
        """Rolls back to the first version."""
        self._deployed.command("training", "rollback", "--json")
        self.counts[ROLLBACKS] += 1

    def damage(self) -> None:
        """For some seconds, the pointer's manifest digest does not match the stored manifest."""
        settings = self._deployed.endpoint.settings
        store = aws.connect(settings).s3
        key = pointer_key(self._first.name, settings["MODEL_ALIAS"])
        bucket = settings["MODEL_BUCKET"]
        pointer = store.get(bucket, key)
        assert pointer is not None  # noqa: S101 - the request is unconditional
        store.put(bucket, key, _damaged(pointer.body), _JSON)
        try:
            time.sleep(_DAMAGED_SECONDS)
        finally:
            store.put(bucket, key, pointer.body, _JSON)
        self.counts[DAMAGED] += 1


def _damaged(pointer: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(pointer) | {"manifest_sha256": "0" * 64})
