"""The three ways to load one MLflow directory, each with models that are really saved."""

import gc
import hashlib
import importlib.util
import json
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
import yaml
from numpy.testing._private.utils import runstring
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

from ride_scoring.domain.events import Ride
from ride_scoring.errors import ModelRefused
from ride_scoring.models import compiled, model
from ride_scoring.models.files import Directory
from ride_scoring.models.inputs import matrix_of
from ride_scoring.models.model import LoadedModel
from ride_scoring.models.store import ModelStore, decode_pointer
from tests.factories import MemoryS3, shared
from tests.models import compiled_directory, linear, mlmodel, skops_flavor, write
from tests.store import Publisher
from training.compiler import compile_model

RIDE = Ride(130, 205, 3.66)
TREES = ["sklearn.tree._tree.Tree"]
# MLflow's own imports warn of newer pandas and pydantic.
mlflows_warnings = pytest.mark.filterwarnings("ignore")


class Foreign:
    """A class that no list of trusted types may bring in."""

    def predict(self, _: object) -> list[float]:
        return [1.0]


def save(
    directory: Path, estimator: object, inputs: list[str] | None = None, **flavor_changes: Any
) -> Path:
    """A directory that holds no compiled model."""
    skops.io.dump(estimator, directory / "model.skops")
    return write({"MLmodel": mlmodel(inputs, skops_flavor(**flavor_changes))}, directory)


def load(directory: Path, *, allow_pickle: bool = False) -> LoadedModel:
    return model.load(Directory(directory), allow_pickle=allow_pickle)


# Compiled


def with_metadata(**changes: object) -> Mapping[str, bytes]:
    """A compiled model that says something else of itself."""
    files = dict(compiled_directory(2.0))
    graph = onnx.load_from_string(files[compiled.FILE])
    said = {item.key: item.value for item in graph.metadata_props}
    said |= {name: json.dumps(value) for name, value in changes.items()}
    onnx.helper.set_model_props(graph, said)
    return files | {compiled.FILE: graph.SerializeToString()}


def test_a_compiled_model_is_the_first_choice(tmp_path: Path) -> None:
    loaded = load(write(compiled_directory(2.0), tmp_path))
    assert (loaded.way, loaded.takes.names) == ("compiled", ("trip_distance",))
    assert loaded.predict([RIDE] * 3, [0.0] * 3).tolist() == [7.32] * 3


def test_a_model_that_changed_since_it_was_compiled_is_refused(tmp_path: Path) -> None:
    directory = write(compiled_directory(2.0), tmp_path)
    skops.io.dump(linear(3.0), directory / "model.skops")
    with pytest.raises(ModelRefused, match=r"compiled from another model\.skops"):
        load(directory)
    (directory / "model.skops").unlink()
    with pytest.raises(ModelRefused, match="no file"):
        load(directory)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"parity": {"rides": 9, "largest_difference_minutes": 1e-6}},
            "differs from its source model by 1e-06 minutes",
        ),
        ({"features": ["passenger_count"]}, "passenger_count"),
        ({"sources": {}}, "cannot be used"),
        ({"sources": None}, "cannot be used"),
        ({"sources": {"../MLmodel": "0"}}, "outside the model directory"),
        ({"features": "trip_distance"}, "cannot be used"),
    ],
)
def test_a_compiled_model_that_says_too_little_of_itself_is_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ModelRefused, match=complaint):
        load(write(with_metadata(**changes), tmp_path))


@pytest.mark.parametrize("damage", [b"", b"\x08\x0a", b"\x00" * 100])
def test_a_damaged_compiled_model_is_refused(tmp_path: Path, damage: bytes) -> None:
    files = dict(compiled_directory(2.0)) | {compiled.FILE: damage}
    with pytest.raises(ModelRefused, match=r"compiled\.onnx cannot be used"):
        load(write(files, tmp_path))


def test_a_compiled_model_brings_no_large_library_into_the_process(tmp_path: Path) -> None:
    event = shared("kinesis/zoomcamp__event.json")
    code = (
        "import json, sys\n"
        "from ride_scoring import handler\n"
        f"answer = handler.handler(json.load(open({str(event)!r})), None)\n"
        "print(json.dumps([answer, sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "MODEL_LOCATION": str(write(compiled_directory(2.0), tmp_path)),
            "TEST_RUN": "True",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    answer, modules = json.loads(done.stdout.splitlines()[-1])
    assert answer["predictions"][0]["prediction"] == {"ride_duration": 7.32, "ride_id": 256}
    assert {"onnxruntime", "numpy"} <= set(modules)
    large = {"pandas", "scipy", "sklearn", "pydantic", "mlflow", "skops", "boto3", "aws_xray_sdk"}
    assert not large & set(modules)


# The scikit-learn flavour


def test_a_model_gets_the_features_that_its_signature_names(tmp_path: Path) -> None:
    loaded = load(save(tmp_path, linear(1.0, 2.0), ["trip_distance", "PULocationID"]))
    assert (loaded.way, loaded.takes.names) == ("sklearn", ("trip_distance", "PULocationID"))
    assert loaded.predict([RIDE, RIDE], [0.0, 0.0]) == pytest.approx([3.66 + 2 * 130] * 2)


def test_a_model_without_a_signature_gets_the_courses_dicts(tmp_path: Path) -> None:
    dicts = [{"PU_DO": "130_205", "trip_distance": 1.0}, {"PU_DO": "1_1", "trip_distance": 2.0}]
    estimator = make_pipeline(DictVectorizer(), LinearRegression()).fit(dicts, [12.0, 3.0])
    loaded = load(save(tmp_path, estimator))
    assert loaded.predict([Ride(130, 205, 1.0)], [0.0]) == pytest.approx([12.0])


def test_a_model_that_was_fitted_on_a_frame_gets_one(tmp_path: Path) -> None:
    frame = pd.DataFrame({"trip_distance": [1.0, 2.0, 3.0], "PULocationID": [1.0, 5.0, 2.0]})
    estimator = LinearRegression().fit(frame, [2.0, 4.0, 6.0])
    loaded = load(save(tmp_path, estimator, list(frame.columns)))
    assert loaded.predict([RIDE], [0.0]) == pytest.approx([7.32])


def test_a_feature_that_nobody_knows_is_refused_at_loading(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="passenger_count"):
        load(save(tmp_path, linear(1.0), ["passenger_count"]))


def test_a_feature_that_is_wanted_as_text_is_refused_at_loading(tmp_path: Path) -> None:
    directory = save(tmp_path, linear(1.0), ["hour"])
    text = (directory / "MLmodel").read_text().replace("double", "string")
    (directory / "MLmodel").write_text(text)
    with pytest.raises(
        ModelRefused, match="takes hour as text: only PULocationID, DOLocationID, PU_DO"
    ):
        load(directory)


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    flavor = skops_flavor(pickled_model="model.pkl", serialization_format="cloudpickle")
    files = {"MLmodel": mlmodel(["trip_distance"], flavor), "model.pkl": pickle.dumps(linear(2.0))}
    return write(files, tmp_path)


def test_a_pickle_is_refused_and_not_read(pickled: Path) -> None:
    (pickled / "model.pkl").write_bytes(pickle.dumps(Foreign()))
    with pytest.raises(ModelRefused, match=r"stored as cloudpickle.*ALLOW_PICKLE"):
        load(pickled)


def test_a_pickle_is_read_where_that_is_allowed(pickled: Path) -> None:
    loaded = load(pickled, allow_pickle=True)
    assert loaded.way == "sklearn"
    assert loaded.predict([RIDE], [0.0]) == pytest.approx([7.32])


def test_another_version_of_scikit_learn_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(save(tmp_path, linear(1.0), ["trip_distance"], sklearn_version="0.24.2"))
    assert "trained with scikit-learn 0.24.2" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        load(save(tmp_path, linear(1.0), ["trip_distance"]))
    assert "trained with" not in caplog.text
    assert "by way of sklearn" in caplog.text


def test_a_type_of_no_trusted_library_is_refused_though_mlmodel_names_it(tmp_path: Path) -> None:
    trusted = [f"{Foreign.__module__}.Foreign"]
    with pytest.raises(ModelRefused, match="not trusted"):
        load(save(tmp_path, Foreign(), skops_trusted_types=trusted))


def test_a_function_that_runs_text_as_code_is_refused(tmp_path: Path) -> None:
    code = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    pipeline = make_pipeline(
        FunctionTransformer(np.full_like, kw_args={"fill_value": code, "dtype": "U300"}),
        FunctionTransformer(np.take, kw_args={"indices": 0}),
        FunctionTransformer(runstring, kw_args={"dict": {}}),
        linear(1.0),
    )
    skops.io.dump(pipeline, tmp_path / "all.skops")
    wanted = skops.io.get_untrusted_types(file=tmp_path / "all.skops")
    with pytest.raises(ModelRefused, match="not trusted"):
        load(save(tmp_path, pipeline, ["trip_distance"], skops_trusted_types=wanted))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "flavor",
    [{"pickled_model": None}, {"skops_trusted_types": 7}, {"skops_trusted_types": [None]}],
)
def test_a_flavour_that_is_damaged_is_refused(tmp_path: Path, flavor: dict[str, Any]) -> None:
    with pytest.raises(ModelRefused, match="damaged"):
        load(save(tmp_path, linear(1.0), ["trip_distance"], **flavor))


def test_a_model_that_gives_more_than_one_number_a_ride_is_refused(tmp_path: Path) -> None:
    wide = LinearRegression().fit([[0.0], [1.0]], [[1.0, 2.0], [3.0, 4.0]])
    loaded = load(save(tmp_path, wide, ["trip_distance"]))
    with pytest.raises(ModelRefused, match="2, 2"):
        loaded.predict([RIDE, RIDE], [0.0, 0.0])


def test_a_column_of_numbers_is_one_number_a_ride(tmp_path: Path) -> None:
    column = LinearRegression().fit([[0.0], [1.0]], [[0.0], [2.0]])
    loaded = load(save(tmp_path, column, ["trip_distance"]))
    assert loaded.predict([RIDE], [0.0]) == pytest.approx([7.32])


@pytest.mark.parametrize("name", ["../elsewhere.skops", "/etc/hostname", "link", "a\0b"])
def test_a_file_outside_the_model_directory_is_refused(tmp_path: Path, name: str) -> None:
    (inside := tmp_path / "model").mkdir()
    skops.io.dump(linear(1.0), tmp_path / "elsewhere.skops")
    (inside / "link").symlink_to(tmp_path / "elsewhere.skops")
    with pytest.raises(ModelRefused, match="out"):
        load(save(inside, linear(1.0), pickled_model=name))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"lacks gone\.skops"):
        load(save(tmp_path, linear(1.0), pickled_model="gone.skops"))


@pytest.mark.parametrize("content", [None, b"", b"flavors: 7", b": : :", b"\xff", b"[]"])
def test_a_directory_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "MLmodel").write_bytes(content)
    with pytest.raises(ModelRefused, match="MLmodel"):
        load(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"\x00" * 100])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    directory = save(tmp_path, linear(1.0), ["trip_distance"])
    (directory / "model.skops").write_bytes(damage)
    with pytest.raises(ModelRefused, match=r"model\.skops"):
        load(directory)


@pytest.mark.parametrize("inputs", ['[{"type": "tensor"}]', "[]", "no json", "7", None])
def test_a_signature_without_named_columns_is_refused(tmp_path: Path, inputs: str | None) -> None:
    directory = save(tmp_path, linear(1.0), ["trip_distance"])
    description = yaml.safe_load((directory / "MLmodel").read_text())
    description["signature"]["inputs"] = inputs
    (directory / "MLmodel").write_text(yaml.safe_dump(description))
    with pytest.raises(ModelRefused, match="named columns"):
        load(directory)


# pyfunc


def save_pyfunc(directory: Path) -> Path:
    """A model of MLflow's own, pickled, which gives two minutes for each mile."""
    import mlflow.pyfunc  # noqa: PLC0415 - it warns where it is imported
    from mlflow.models import infer_signature  # noqa: PLC0415

    def predict(_: object, model_input: pd.DataFrame) -> list[float]:
        return list(model_input["trip_distance"] * 2)

    doubles = type("Doubles", (mlflow.pyfunc.PythonModel,), {"predict": predict})

    frame = pd.DataFrame({"trip_distance": [1.0], "PULocationID": [1]})
    mlflow.pyfunc.save_model(
        directory,
        python_model=doubles(),
        signature=infer_signature(frame, np.array([2.0])),
        pip_requirements=["mlflow"],
    )
    return directory


@mlflows_warnings
def test_any_flavour_is_read_by_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    loaded = load(save_pyfunc(tmp_path / "model"), allow_pickle=True)
    assert (loaded.way, loaded.takes.names) == ("pyfunc", ("trip_distance", "PULocationID"))
    assert loaded.predict([RIDE, RIDE], [0.0, 0.0]) == pytest.approx([7.32] * 2)


@mlflows_warnings
@pytest.mark.parametrize("pyfunc", [{"predict_fn": "score"}, {"loader_module": "mlflow.sklearn.x"}])
def test_what_only_mlflow_reads_is_not_read_unless_that_is_allowed(
    tmp_path: Path, pyfunc: dict[str, str]
) -> None:
    skops.io.dump(linear(1.0), tmp_path / "model.skops")
    write({"MLmodel": mlmodel(["trip_distance"], skops_flavor(), pyfunc)}, tmp_path)
    with pytest.raises(ModelRefused, match="may run the model's own code: allow it with"):
        load(tmp_path)


@mlflows_warnings
def test_what_only_mlflow_reads_is_left_to_it_where_that_is_allowed(tmp_path: Path) -> None:
    skops.io.dump(linear(1.0), tmp_path / "model.skops")
    for pyfunc, way in (({"predict_fn": "score"}, "pyfunc"), ({"loader_module": "no.such"}, "")):
        write({"MLmodel": mlmodel(["trip_distance"], skops_flavor(), pyfunc)}, tmp_path)
        if way:
            assert load(tmp_path, allow_pickle=True).way == way
        else:
            with pytest.raises(ModelRefused, match="MLflow cannot load the model: ModuleNotFound"):
                load(tmp_path, allow_pickle=True)


def test_code_that_a_second_mlmodel_brings_along_does_not_run(tmp_path: Path) -> None:
    (inner := tmp_path / "inner").mkdir()
    (inner / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    flavor = {"loader_module": "mlflow.pyfunc.model", "model_code_path": "evil.py"}
    (inner / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": flavor}}))
    outer = {"loader_module": "mlflow.pyfunc.model", "data": "inner"}
    write({"MLmodel": mlmodel(["trip_distance"], skops_flavor(), outer)}, tmp_path)
    with pytest.raises(ModelRefused, match="allow it with"):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_model_with_code_of_its_own_is_not_read_by_the_second_way(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="needs MLflow's pyfunc"):
        load(save(tmp_path, linear(1.0), ["trip_distance"], code="code"))


def versions_with_code(factor: int) -> dict[str, bytes]:
    """A model whose minutes are in a module of its own."""
    flavor = {"loader_module": "mine", "data": "data.txt", "code": "code", "predict_fn": "predict"}
    columns = [{"type": "double", "name": "trip_distance", "required": True}]
    described = {
        "flavors": {"python_function": flavor},
        "run_id": "r",
        "signature": {"inputs": json.dumps(columns), "outputs": None, "params": None},
    }
    code = (
        "class Model:\n"
        "    def __init__(self, path): self.path = path\n"
        "    def predict(self, frame):\n"
        f"        return frame['trip_distance'] * {factor} + len(open(self.path).read())\n"
        "def _load_pyfunc(path): return Model(path)\n"
    )
    return {
        "MLmodel": yaml.safe_dump(described).encode(),
        "code/mine.py": code.encode(),
        "data.txt": b"",
    }


@mlflows_warnings
def test_versions_with_code_and_files_of_their_own_do_not_meet() -> None:
    s3 = MemoryS3()
    publisher, store = Publisher(s3), ModelStore(s3, "models", "ride-duration")
    minutes = []
    for version, factor in (("1", 2), ("2", 5)):
        publisher.publish(version, 0.0, files=versions_with_code(factor))
        pointer = store.pointer("champion")
        assert pointer is not None
        _, loaded = store.load(decode_pointer(pointer.body), allow_pickle=True)
        gc.collect()
        minutes += loaded.predict([Ride(1, 2, 3.0)], [0.0]).tolist()
    assert minutes == [6.0, 15.0]


LAZY = {
    "a module": ("import later", "later.FACTOR", "code/later.py"),
    "a package": ("import parts", "parts.FACTOR", "code/parts/__init__.py"),
    "a package's module": ("from parts import later", "later.FACTOR", "code/parts/later.py"),
    "a function's module": (
        "import importlib; later = importlib.import_module('later')",
        "later.FACTOR",
        "code/later.py",
    ),
}


def lazy_version(factor: int, kind: str) -> dict[str, bytes]:
    """One that imports a module of its own when it is first asked."""
    statement, value, path = LAZY[kind]
    files = versions_with_code(factor)
    code = files["code/mine.py"].decode()
    lazily = code.replace(f" {factor} ", f" {value} ").replace(
        "        return", f"        {statement}\n        return"
    )
    return files | {"code/mine.py": lazily.encode(), path: f"FACTOR = {factor}\n".encode()}


GOLDEN: dict[str, Any] = {
    "ride": msgspec.to_builtins(Ride(1, 2, 3.0)),
    "ride_duration": 99.0,
}
REFUSED: dict[str, tuple[dict[str, bytes], Callable[[dict[str, Any]], None]]] = {
    "code that does not compile": ({"code/mine.py": b"def"}, lambda _: None),
    "code that raises": ({"code/mine.py": b"import later; raise ValueError"}, lambda _: None),
    "code that is no model": ({"code/mine.py": b"import later"}, lambda _: None),
    "a golden row": ({}, lambda manifest: manifest.update(golden_rows=[GOLDEN])),
    "the name of another": ({}, lambda manifest: manifest.update(name="another")),
}


@pytest.mark.few(4)
@mlflows_warnings
@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("kind", LAZY)
def test_a_version_that_is_refused_takes_nothing_from_the_one_that_serves(
    kind: str, why: str
) -> None:
    s3 = MemoryS3()
    publisher, store = Publisher(s3), ModelStore(s3, "models", "ride-duration")

    def loaded(version: str) -> LoadedModel:
        publisher.point("champion", version)
        pointer = store.pointer("champion")
        assert pointer is not None
        return store.load(decode_pointer(pointer.body), allow_pickle=True)[1]

    def asked(model: LoadedModel) -> float:
        return float(model.predict([Ride(1, 2, 3.0)], [0.0])[0])

    damage, change = REFUSED[why]
    publisher.publish("1", 0.0, files=lazy_version(2, kind))
    publisher.publish("2", 0.0, files=lazy_version(5, kind) | damage, change=change)
    publisher.publish("3", 0.0, files=lazy_version(7, kind))
    first = loaded("1")
    for _ in range(2):
        with pytest.raises(ModelRefused):
            loaded("2")
        gc.collect()
    assert asked(first) == 6.0
    third = loaded("3")
    assert [asked(third), asked(first), asked(third)] == [21.0, 6.0, 21.0]
    assert asked(loaded("1")) == 6.0


@mlflows_warnings
@pytest.mark.parametrize("paths", [("data", "data/a"), ("data/a", "data"), ("a", "a/b/c")])
def test_a_version_that_lists_a_file_in_a_file_is_refused(paths: tuple[str, str]) -> None:
    """And not taken for a disk that is full, which is worth another try."""
    s3 = MemoryS3()
    files = versions_with_code(2) | dict.fromkeys(paths, b"x")
    Publisher(s3).publish("1", 0.0, files=files)
    store = ModelStore(s3, "models", "ride-duration")
    pointer = store.pointer("champion")
    assert pointer is not None
    with pytest.raises(ModelRefused, match="as a file and as a folder"):
        store.load(decode_pointer(pointer.body), allow_pickle=True)


def test_a_package_that_cannot_read_a_model_says_what_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    slim = {"sklearn", "mlflow"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in slim else found(name)
    )
    with pytest.raises(ModelRefused, match=r"sklearn.*publish a model that compiles.*container"):
        load(save(tmp_path, linear(1.0), ["trip_distance"]))


@mlflows_warnings
@pytest.mark.parametrize("kind", ["double", "float", "long"])
def test_each_way_gives_the_same(tmp_path: Path, kind: str) -> None:
    """Zones of any type; distances in doubles, or in singles where the signature says so."""
    rng = np.random.default_rng(0)
    matrix = np.column_stack([rng.integers(1, 266, 500), rng.uniform(0, 200, 500).round(2)])
    trees = DecisionTreeRegressor(random_state=0).fit(matrix, matrix @ [0.01, 2.0])
    names = ["PULocationID", "trip_distance"]
    described = yaml.safe_load(mlmodel(names, skops_flavor(skops_trusted_types=TREES)))
    columns = json.loads(described["signature"]["inputs"])
    columns[0]["type"] = kind
    columns[1]["type"] = "float" if kind == "float" else "double"
    described["signature"]["inputs"] = json.dumps(columns)
    files = {"MLmodel": yaml.safe_dump(described).encode(), "model.skops": skops.io.dumps(trees)}
    sources = {path: hashlib.sha256(body).hexdigest() for path, body in files.items()}
    parity = compiled.Parity(1, 0.0)
    files[compiled.FILE] = compile_model(trees, matrix_of(names), sources, parity)
    directory = write(files, tmp_path)
    rides = [Ride(int(zone), 1, miles) for zone, miles in matrix.tolist()]
    minutes = {}
    if kind != "float":  # the publisher compiles none of single precision
        minutes["compiled"] = load(directory)
    (directory / compiled.FILE).unlink()
    minutes["sklearn"] = load(directory)
    described["flavors"]["python_function"]["predict_fn"] = "predict"
    described["signature"]["params"] = json.dumps(
        [{"name": "unused", "type": "double", "default": 1.0, "shape": None}]
    )
    (directory / "MLmodel").write_text(yaml.safe_dump(described))
    minutes["pyfunc"] = load(directory, allow_pickle=True)
    given = {way: model.predict(rides, [0.0] * 500) for way, model in minutes.items()}
    assert all(model.way == way for way, model in minutes.items())
    for way, found in given.items():
        assert found == pytest.approx(given["pyfunc"], abs=1e-9), way


def test_a_distance_that_is_wanted_in_whole_miles_is_refused_at_loading(tmp_path: Path) -> None:
    directory = save(tmp_path, linear(1.0), ["trip_distance"])
    text = (directory / "MLmodel").read_text().replace("double", "long")
    (directory / "MLmodel").write_text(text)
    with pytest.raises(ModelRefused, match="whole numbers"):
        load(directory)


def test_a_digest_is_that_of_the_file(tmp_path: Path) -> None:
    directory = Directory(write({"a": b"x"}, tmp_path))
    assert directory.sha256("a") == hashlib.sha256(b"x").hexdigest()
    assert directory.sha256("b") is None


def test_metadata_reads_what_the_publisher_writes() -> None:
    content = compiled_directory(2.0)[compiled.FILE]
    metadata = compiled.CompiledModel(content).metadata
    assert set(metadata.sources) == {"MLmodel", "model.skops"}
    assert msgspec.to_builtins(metadata.features) == ("trip_distance",)
