"""Models for simulated histories: so few operators that each prediction reveals its version.

Rides of `FAILING_MILES` make any model fail; those of `NAN_MILES` and `INFINITE_MILES` yield no
finite minutes, those of `NEGATIVE_MILES` negative ones.
"""

import functools
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ride_scoring.domain.events import GoldenRow, Ride
from ride_scoring.models import compiled, store
from ride_scoring.models.compiled import Parity
from ride_scoring.models.store import AliasPointer, Manifest
from stream_sim.simulation.schedule import Move

NAME: Final = "ride-duration"
ALIAS: Final = "champion"
NEGATIVE_MILES: Final = 196.0
INFINITE_MILES: Final = 197.0
NAN_MILES: Final = 198.0
FAILING_MILES: Final = 199.0
_MLMODEL: Final = b"flavors: {}\n"
_GOLDEN_RIDE: Final = Ride(130, 205, 3.0)
_OPSET: Final = 18


def minutes(version: int, miles: float) -> float:
    """The minutes a prediction by that version must contain."""
    return 0.0 if miles == NEGATIVE_MILES else miles * _minutes_a_mile(version)


def _minutes_a_mile(version: int) -> float:
    return 1.0 + version


def objects(move: Move) -> Mapping[str, bytes | None]:
    """What the move writes to the store, by key, the pointer last; None deletes the key."""
    version = str(move.version)
    source = b"another" if move.damage == "another-source" else _MLMODEL
    files = {"MLmodel": _MLMODEL, compiled.FILE: _graph(_minutes_a_mile(move.version), source)}
    manifest = msgspec.json.encode(_manifest(move, files))
    digest = hashlib.sha256(manifest).hexdigest()
    pointer = msgspec.json.encode(
        AliasPointer(version, digest, None, datetime(2023, 1, 14, tzinfo=UTC))
    )
    written: dict[str, bytes | None] = {
        store.file_key(NAME, version, path): body for path, body in files.items()
    }
    written[store.manifest_key(NAME, version)] = manifest
    written[store.pointer_key(NAME, ALIAS)] = pointer
    return written | _damage(move, version, written)


def _damage(
    move: Move, version: str, written: Mapping[str, bytes | None]
) -> dict[str, bytes | None]:
    pointer, manifest = (
        store.pointer_key(NAME, ALIAS),
        store.manifest_key(NAME, version),
    )
    graph = store.file_key(NAME, version, compiled.FILE)
    match move.damage:
        case "no-pointer":
            return {pointer: None}
        case "pointer":
            return {pointer: (written[pointer] or b"")[:-9]}
        case "no-manifest":
            return {manifest: None}
        case "manifest":
            return {manifest: (written[manifest] or b"") + b" "}
        case "no-file":
            return {graph: None}
        case "file":
            return {graph: (written[graph] or b"")[:-1] + b"\0"}
    return {}


def _manifest(move: Move, files: Mapping[str, bytes]) -> Manifest:
    told = minutes(move.version, _GOLDEN_RIDE.trip_distance)
    return Manifest(
        name="another" if move.damage == "another-name" else NAME,
        version=str(move.version),
        run_id=f"run-{move.version}",
        metrics={},
        signature=msgspec.Raw(b"null"),
        files={path: hashlib.sha256(body).hexdigest() for path, body in files.items()},
        golden_rows=[GoldenRow(_GOLDEN_RIDE, told + (move.damage == "golden-row"))],
    )


@functools.cache
def _graph(minutes_a_mile: float, source: bytes) -> bytes:
    """features (n, 1) ▸ minutes (n,), claiming to be compiled from an MLmodel of that content."""
    constants = {
        "axis": np.array([1], dtype=np.int64),
        "rate": np.array(minutes_a_mile),
        "last_ordinary": np.array(NEGATIVE_MILES - 1.0),
        "zero": np.array(0.0),
        "extra": np.array([0.0, -1e9, np.inf, np.nan]),
    }
    node = helper.make_node
    nodes = [
        node("Squeeze", [compiled.INPUT, "axis"], ["miles"]),
        node("Mul", ["miles", "rate"], ["ordinary"]),
        node("Sub", ["miles", "last_ordinary"], ["beyond"]),
        node("Max", ["beyond", "zero"], ["miles_beyond"]),
        node("Cast", ["miles_beyond"], ["place"], to=TensorProto.INT64),
        node("Gather", ["extra", "place"], ["found"]),  # four entries: index 4 fails
        node("Add", ["ordinary", "found"], [compiled.OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "minutes",
        [helper.make_tensor_value_info(compiled.INPUT, TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info(compiled.OUTPUT, TensorProto.DOUBLE, [None])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    helper.set_model_props(
        model,
        {
            "features": '["trip_distance"]',
            "sources": msgspec.json.encode(
                {"MLmodel": hashlib.sha256(source).hexdigest()}
            ).decode(),
            "parity": msgspec.json.encode(Parity(1, 0.0)).decode(),
        },
    )
    serialized: bytes = model.SerializeToString()
    return serialized
