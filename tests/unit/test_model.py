import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import yaml
from numpy.testing._private.utils import runstring
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ride_scoring import model
from ride_scoring.errors import ModelRefused
from ride_scoring.events import Ride

RIDE = Ride(130, 205, 3.66)


class Foreign:
    """A class that no list of trusted types may bring in."""

    def predict(self, _: object) -> list[float]:
        return [1.0]


def save(
    directory: Path,
    estimator: object,
    inputs: list[str] | None = None,
    **flavor_changes: Any,
) -> Path:
    """An MLflow model directory as `mlflow.sklearn.save_model` writes it, as far as it is read."""
    skops.io.dump(estimator, directory / "model.skops")
    flavor = {
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "skops_trusted_types": None,
    } | flavor_changes
    description: dict[str, Any] = {"flavors": {"sklearn": flavor, "python_function": {}}}
    if inputs is not None:
        columns = [{"type": "double", "name": name, "required": True} for name in inputs]
        description["signature"] = {"inputs": json.dumps(columns), "outputs": None}
    (directory / "MLmodel").write_text(yaml.safe_dump(description))
    return directory


def linear(columns: int) -> LinearRegression:
    rng = np.random.default_rng(0)
    return LinearRegression().fit(rng.random((20, columns)), rng.random(20))


def test_a_model_gets_the_features_that_its_signature_names(tmp_path: Path) -> None:
    estimator = LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [5.0, 6.0, 7.0])
    loaded = model.load(save(tmp_path, estimator, ["trip_distance", "PULocationID"]))
    assert loaded.features == ("trip_distance", "PULocationID")
    assert loaded.predict([RIDE, RIDE], [0.0, 0.0]) == pytest.approx([5 + 3.66 + 2 * 130] * 2)


def test_a_model_without_a_signature_gets_the_courses_dicts(tmp_path: Path) -> None:
    dicts = [{"PU_DO": "130_205", "trip_distance": 1.0}, {"PU_DO": "1_1", "trip_distance": 2.0}]
    estimator = make_pipeline(DictVectorizer(), LinearRegression()).fit(dicts, [12.0, 3.0])
    loaded = model.load(save(tmp_path, estimator))
    assert loaded.predict([Ride(130, 205, 1.0)], [0.0]) == pytest.approx([12.0])


def test_a_feature_that_nobody_knows_is_refused_at_loading(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="passenger_count"):
        model.load(save(tmp_path, linear(1), ["passenger_count"]))


def test_a_pickle_is_refused_and_not_read(tmp_path: Path) -> None:
    directory = save(tmp_path, linear(1), pickled_model="model.pkl", serialization_format="pickle")
    (directory / "model.pkl").write_bytes(pickle.dumps(Foreign()))
    with pytest.raises(ModelRefused, match="skops"):
        model.load(directory)


def test_a_type_of_no_trusted_library_is_refused_though_mlmodel_names_it(tmp_path: Path) -> None:
    trusted = [f"{Foreign.__module__}.Foreign"]
    with pytest.raises(ModelRefused, match="not trusted"):
        model.load(save(tmp_path, Foreign(), skops_trusted_types=trusted))


def test_a_function_that_runs_text_as_code_is_refused(tmp_path: Path) -> None:
    code = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    pipeline = make_pipeline(
        FunctionTransformer(np.full_like, kw_args={"fill_value": code, "dtype": "U300"}),
        FunctionTransformer(np.take, kw_args={"indices": 0}),
        FunctionTransformer(runstring, kw_args={"dict": {}}),
        linear(1),
    )
    skops.io.dump(pipeline, tmp_path / "all.skops")
    wanted = skops.io.get_untrusted_types(file=tmp_path / "all.skops")
    with pytest.raises(ModelRefused, match="not trusted"):
        model.load(save(tmp_path, pipeline, ["trip_distance"], skops_trusted_types=wanted))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "flavor",
    [{"pickled_model": None}, {"skops_trusted_types": 7}, {"skops_trusted_types": [None]}],
)
def test_a_flavour_that_is_damaged_is_refused(tmp_path: Path, flavor: dict[str, Any]) -> None:
    with pytest.raises(ModelRefused, match="damaged"):
        model.load(save(tmp_path, linear(1), ["trip_distance"], **flavor))


def test_a_model_that_gives_more_than_one_number_a_ride_is_refused(tmp_path: Path) -> None:
    wide = LinearRegression().fit([[0.0], [1.0]], [[1.0, 2.0], [3.0, 4.0]])
    loaded = model.load(save(tmp_path, wide, ["trip_distance"]))
    with pytest.raises(ModelRefused, match="2, 2"):
        loaded.predict([RIDE, RIDE], [0.0, 0.0])


def test_a_file_outside_the_model_directory_is_refused(tmp_path: Path) -> None:
    (inside := tmp_path / "model").mkdir()
    skops.io.dump(linear(1), tmp_path / "elsewhere.skops")
    with pytest.raises(ModelRefused, match="outside"):
        model.load(save(inside, linear(1), pickled_model="../elsewhere.skops"))


@pytest.mark.parametrize("content", [None, "", "flavors: 7", ": : :", "flavors: {pytorch: {}}"])
def test_a_directory_that_is_no_model_of_ours_is_refused(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "MLmodel").write_text(content)
    with pytest.raises(ModelRefused, match=r"MLmodel|pytorch"):
        model.load(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"\x00" * 100])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    directory = save(tmp_path, linear(1), ["trip_distance"])
    (directory / "model.skops").write_bytes(damage)
    with pytest.raises(ModelRefused, match=r"model\.skops"):
        model.load(directory)


def test_a_signature_without_named_columns_is_refused(tmp_path: Path) -> None:
    directory = save(tmp_path, linear(1), ["trip_distance"])
    description = yaml.safe_load((directory / "MLmodel").read_text())
    description["signature"]["inputs"] = '[{"type": "tensor"}]'
    (directory / "MLmodel").write_text(yaml.safe_dump(description))
    with pytest.raises(ModelRefused, match="named columns"):
        model.load(directory)
