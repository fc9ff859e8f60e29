"""What is fuzzed: by its name, the function that is fed, and how its inputs are changed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tests.fuzz import aggregates, edits, events, models
from tests.fuzz.edits import Edit

CORPUS: Final = Path(__file__).with_name("corpus")
"""In a folder for each target, inputs to begin with; among them what was once a finding."""


class Target(msgspec.Struct, frozen=True):
    """`run` raises where a promise is broken. `edit` is None where bytes are changed one by one."""

    run: Callable[[bytes], None]
    edit: Edit | None = None


_EVENT: Final = edits.json_of(
    *("ride_id", "ride", "PULocationID", "DOLocationID", "trip_distance", "pickup_datetime"),
    *("schema_version", "2023-01-14T08:31:00", "2023-01-14T08:31:00.123456-05:00"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2023-02-29T24:61:61", "1970-01-01"),
)
_FLAVOUR: Final = (
    *("flavors", "sklearn", "python_function", "signature", "inputs", "params", "run_id", "code"),
    *("pickled_model", "serialization_format", "skops_trusted_types", "sklearn_version", "skops"),
    *("pickle", "cloudpickle", "loader_module", "predict_fn", "model_path", "model_code_path"),
    *("mlflow.sklearn", "mlflow.pyfunc.model", "../outside.skops", "model.skops", "MLmodel"),
    *("trip_distance", "PULocationID", "double", "float", "long", "string", "tensor", "name"),
    *("sklearn.tree._tree.Tree", "sklearn.utils", "sklearn.", "os.system", "builtins.eval"),
    *("&a ", "*a", "{<<: *a}", "? ", "\n- ", "!!float ", "!!timestamp ", "0x", "1:1:1", "\n  "),
)

TARGETS: Final[Mapping[str, Target]] = {
    "event": Target(events.event, _EVENT),
    "record": Target(events.kinesis_record, edits.record(_EVENT)),
    "aggregate": Target(aggregates.unpacked, edits.aggregate),
    "packed": Target(aggregates.packed),
    "pointer": Target(
        models.pointer,
        edits.json_of(
            *("version", "manifest_sha256", "@manifest@", "previous", "updated_at"),
            *("../../..", "../../../other/versions/1", "2023-01-14T13:31:05Z"),
        ),
    ),
    "manifest": Target(
        models.manifest,
        edits.json_of(
            *("name", "version", "run_id", "metrics", "signature", "files", "golden_rows", "ride"),
            *("ride-duration", "MLmodel", "model.skops", "compiled.onnx", "./MLmodel", "../1.json"),
            *("@MLmodel@", "@model.skops@", "@compiled.onnx@", "2023-01-14T08:31:00-05:00"),
        ),
    ),
    "mlmodel": Target(models.mlmodel_file, edits.json_of(*_FLAVOUR)),
    "skops": Target(
        models.skops_schema,
        edits.json_of(
            *("__class__", "__module__", "__loader__", "__id__", "content", "is_json", "type"),
            *("key_types", "file", "0.npy", "1.npy", "schema.json", "../outside", "shape", "json"),
            *("ObjectNode", "DictNode", "ListNode", "TupleNode", "SetNode", "JsonNode", "TypeNode"),
            *("FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode", "NdArrayNode"),
            *("ReduceNode", "CachedNode", "SliceNode", "DefaultDictNode", "BytesNode", "func"),
            *("os", "system", "posix", "builtins", "eval", "operator", "methodcaller", "numpy"),
            *("sklearn.tree._tree", "Tree", "sklearn.pipeline", "Pipeline", "__reduce__", "type"),
            *("numpy.testing._private.utils", "runstring", "random", "RandomState", "ndarray"),
        ),
    ),
}
