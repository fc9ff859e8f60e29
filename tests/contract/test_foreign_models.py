"""Models that people log with MLflow as they like: published, served as MLflow scores them, or
refused in a sentence.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import boto3
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from typer.testing import CliRunner, Result

from infra.common.paths import ROOT
from ride_scoring.aws import connect
from ride_scoring.domain.events import Ride
from ride_scoring.fields import Field
from ride_scoring.models.inputs import ModelInputs
from ride_scoring.models.model import LoadedModel
from ride_scoring.models.serving import AliasedModel, Unwatched
from ride_scoring.models.store import ModelStore
from tests import registered
from training import tracking
from training.cli import app
from trips.profile.drawn import synthetic

# MLflow warns of what it would rather have: these models are logged as people log them.
pytestmark = pytest.mark.filterwarnings("ignore")

TRIPS: Final = synthetic(1_500, 7)
RIDES: Final = TRIPS.rides()
MINUTES: Final = TRIPS.duration_minutes
LATER: Final = synthetic(300, 8).rides()
PICKUP, DROPOFF = Field("PULocationID", is_text=True), Field("DOLocationID", is_text=True)
PAIR, MILES = Field("PU_DO", is_text=True), Field("trip_distance")
TREES: Final = ["sklearn.tree._tree.Tree", "sklearn._loss._loss.CyHalfSquaredError"]


def taken(rides: list[Ride], *fields: Field, shape: Any = "dicts") -> Any:
    return ModelInputs(fields, shape).of(rides, [0.0] * len(rides))


def of_dicts(regressor: Any, *fields: Field) -> Any:
    return make_pipeline(DictVectorizer(), regressor).fit(taken(RIDES, *fields), MINUTES)


def frame(rides: list[Ride], *fields: Field) -> pd.DataFrame:
    return pd.DataFrame(taken(rides, *fields, shape="columns"))


def of_frame(regressor: Any, *fields: Field) -> Any:
    texts = [field.name for field in fields if field.is_text]
    zones = ColumnTransformer(
        [("zones", OneHotEncoder(handle_unknown="ignore"), texts)], remainder="passthrough"
    )
    model = make_pipeline(zones, regressor) if texts else regressor
    return model.fit(frame(RIDES, *fields), MINUTES)


def skops(model: Any, **more: Any) -> str:
    return str(
        mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            skops_trusted_types=TREES,
            pip_requirements=["scikit-learn"],
            **more,
        ).model_uri
    )


def pickled(model: Any, **more: Any) -> str:
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        **more,
    )
    return str(logged.model_uri)


def wrapped(**attributes: Any) -> Any:
    """What people write around a model, which they keep as an attribute."""

    class Wrapped(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.__dict__.update(attributes)

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
            return self.model.predict(model_input)

    return Wrapped()


def python(model: Any, **more: Any) -> str:
    return logged_python(wrapped(model=model), **more)


def logged_python(model: Any, **more: Any) -> str:
    logged = mlflow.pyfunc.log_model(
        python_model=model, name="model", pip_requirements=["scikit-learn"], **more
    )
    return str(logged.model_uri)


def signed(model: Any) -> str:
    """With the signature of what it was fitted on."""
    texts = {"PULocationID", "DOLocationID"} if hasattr(model, "steps") else set()
    seen = frame(RIDES, *(Field(name, name in texts) for name in model.feature_names_in_))
    return skops(model, signature=infer_signature(seen, model.predict(seen)))


class Logged(NamedTuple):
    """A regressor, the fields and the shape that it is fitted on, and how that is logged."""

    row: str
    """Of the table in docs/models.md."""
    log: Callable[..., str]
    regressor: Any
    fields: tuple[Field, ...]
    shape: Literal["dicts", "columns"]
    served: Literal["compiled", "as it is"]

    def __str__(self) -> str:
        fields = " ".join(field.name for field in self.fields)
        return f"{type(self.regressor).__name__} on {fields}, {self.log.__name__}"

    def fitted(self) -> Any:
        if self.shape == "dicts":
            return of_dicts(self.regressor, *self.fields)
        return of_frame(self.regressor, *self.fields)

    def given(self, rides: list[Ride]) -> Any:
        return taken(rides, *self.fields) if self.shape == "dicts" else frame(rides, *self.fields)


COURSE: Final = (PAIR, MILES)
APART: Final = (PICKUP, DROPOFF, MILES)
NUMBERS: Final = (Field("PULocationID"), MILES)
FOREST: Final = RandomForestRegressor(5, random_state=1)
BOOSTING: Final = GradientBoostingRegressor()
OF_TREES: Final = "`DictVectorizer` on the zone pair, random forest or gradient boosting"
LINEAR: Final = "`DictVectorizer` on the zone pair, `LinearRegression` or `Ridge`"
OF_ZONES: Final = "`DictVectorizer` on separate zones, with or without the distance"
OF_TEXT: Final = "`OneHotEncoder` on a data frame with text, with or without a signature"
OF_NUMBERS: Final = "`DictVectorizer` on zones as numbers"
SIGNED: Final = "regressor on a data frame of numbers, with a signature"
OF_PYTHON: Final = "Python code around a `DictVectorizer`"
MODELS: Final = (
    Logged(LINEAR, skops, LinearRegression(), COURSE, "dicts", "compiled"),
    Logged(LINEAR, skops, Ridge(), COURSE, "dicts", "compiled"),
    Logged(LINEAR, pickled, LinearRegression(), COURSE, "dicts", "compiled"),
    Logged(LINEAR, pickled, Ridge(), COURSE, "dicts", "compiled"),
    Logged(OF_TREES, skops, FOREST, COURSE, "dicts", "as it is"),
    Logged(OF_TREES, skops, BOOSTING, COURSE, "dicts", "as it is"),
    Logged(OF_TREES, pickled, FOREST, COURSE, "dicts", "as it is"),
    Logged(OF_TREES, pickled, BOOSTING, COURSE, "dicts", "as it is"),
    Logged(OF_ZONES, skops, LinearRegression(), APART, "dicts", "compiled"),
    Logged(OF_ZONES, skops, Ridge(), (PICKUP, DROPOFF), "dicts", "compiled"),
    Logged(OF_NUMBERS, skops, Ridge(), NUMBERS, "dicts", "compiled"),
    Logged(OF_TEXT, skops, Ridge(), APART, "columns", "as it is"),
    Logged(OF_TEXT, signed, Ridge(), APART, "columns", "as it is"),
    Logged(SIGNED, signed, Ridge(), NUMBERS, "columns", "compiled"),
    Logged("the same without a signature", skops, Ridge(), NUMBERS, "columns", "as it is"),
    Logged(OF_PYTHON, python, Ridge(), COURSE, "dicts", "as it is"),
    Logged(OF_PYTHON, python, Ridge(), (PICKUP, DROPOFF), "dicts", "as it is"),
)
HOW: Final = {skops: "skops", signed: "skops", pickled: "cloudpickle", python: "cloudpickle"}


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered.registry(tmp_path_factory.mktemp("mlflow")) as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
        tracking.client()  # MLflow keeps the registry that an earlier test of this process named
        yield


def publish(*arguments: str) -> Result:
    return CliRunner().invoke(
        app, ["publish", *arguments, "--model-bucket", "models"], catch_exceptions=True
    )


def published(*arguments: str) -> Any:
    done = publish(*arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout.splitlines()[-1])


def served(name: str) -> LoadedModel:
    """The model as the function serves it."""
    store = ModelStore(connect(os.environ).s3, "models", name)
    model = AliasedModel(store, "champion", "champion", 0.0, Unwatched(), allow_pickle=True)
    predictor = model.current().predictor
    assert isinstance(predictor, LoadedModel)
    return predictor


@pytest.mark.few(3)
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("logged", MODELS, ids=str)
def test_a_model_is_served_as_mlflow_scores_it(logged: Logged) -> None:
    fitted = logged.fitted()
    told = published(logged.log(fitted), "--name", "theirs")
    compiles = logged.served == "compiled"
    assert told["compiled"] is compiles, told["parity"]
    model = served("theirs")
    assert (model.way == "compiled") is compiles
    minutes = model.predict(LATER, [0.0] * len(LATER))
    assert np.abs(minutes - fitted.predict(logged.given(LATER))).max() < 1e-6
    assert len(set(minutes.tolist())) > 20


def test_the_page_says_of_each_model_how_it_is_served() -> None:
    section = (ROOT / "docs" / "models.md").read_text().partition("## What compiles")[2]
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", section, re.MULTILINE)[2:]
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for logged in MODELS:
        ways, _ = found.get(logged.row, ((), ""))
        found[logged.row] = ((*ways, HOW[logged.log]), logged.served)
    tried = {
        (row, " or ".join(dict.fromkeys(ways)), served) for row, (ways, served) in found.items()
    }
    assert set(rows) == tried


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = of_dicts(Ridge(), PICKUP, MILES)
    mlflow.sklearn.save_model(model, tmp_path / "model", serialization_format="skops")
    return tmp_path / "model"


@pytest.mark.usefixtures("aws")
def test_a_folder_is_registered_once_and_published(folder: Path) -> None:
    first = published(str(folder), "--name", "from-a-folder")
    assert published(str(folder), "--name", "from-a-folder") == first
    (folder / "requirements.txt").write_text("scikit-learn\n# changed\n")
    assert published(str(folder), "--name", "from-a-folder")["version"] != first["version"]
    assert set(served("from-a-folder").takes.names) == {PICKUP.name, MILES.name}


def test_an_address_in_s3_is_published(folder: Path, aws: boto3.Session) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="theirs")
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"experiment/models/m-1/artifacts/{path.relative_to(folder)}"
            s3.upload_file(str(path), "theirs", key)
    told = published("s3://theirs/experiment/models/m-1/artifacts", "--name", "from-s3")
    assert (told["version"], told["compiled"]) == ("1", True)


@pytest.mark.usefixtures("aws")
def test_a_version_and_an_alias_of_another_model_are_published_under_its_name() -> None:
    mlflow.register_model(skops(of_dicts(Ridge(), PAIR, MILES)), "others")
    mlflow.MlflowClient().set_registered_model_alias("others", "best", "1")
    for named in ("models:/others/1", "models:/others@best"):
        told = published(named)
        assert (told["name"], told["version"]) == ("others", "1")


@pytest.mark.usefixtures("aws")
def test_a_model_that_predicts_one_number_is_refused_unless_that_is_meant() -> None:
    address = signed(Ridge().fit(frame(RIDES, *NUMBERS), np.full(len(RIDES), 7.0)))
    done = publish(address, "--name", "constant")
    assert done.exit_code == 1
    assert "minutes for each of 200 different rides" in str(done.exception)
    assert published(address, "--name", "constant", "--constant")["version"] == "1"


@pytest.mark.few(3)
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (
            lambda: skops(
                make_pipeline(DictVectorizer(), Ridge()).fit([{"fare": 1.0}, {"fare": 2.0}], [1, 2])
            ),
            "the features fare, which are not among PULocationID",
        ),
        (
            lambda: skops(Ridge().fit([[1.0], [2.0]], [1, 2])),
            "no signature, and its Ridge names no",
        ),
        (lambda: "runs:/0123/model", "runs:/0123/model cannot be read"),
        (lambda: "models:/nobody/1", "no version 1 of a model 'nobody'"),
        (lambda: "models:/nobody", "names no version"),
        (lambda: "no/such/folder", "no/such/folder is no folder: name one that holds"),
        (lambda: "http://127.0.0.1:9/x", "is no folder: name one that holds"),
        (lambda: str(Path(__file__).parent), "is not an MLflow model: it has no MLmodel file"),
    ],
)
def test_what_cannot_be_served_is_refused(log: Callable[[], str], complaint: str) -> None:
    done = publish(log(), "--name", "refused")
    assert done.exit_code == 1
    assert complaint in str(done.exception)


@pytest.mark.usefixtures("aws")
def test_a_pickle_is_refused_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    address = pickled(of_dicts(Ridge(), PAIR, MILES))
    monkeypatch.delenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION")
    done = publish(address, "--name", "pickled")
    assert done.exit_code == 1
    assert "allow it with MLFLOW_ALLOW_PICKLE_DESERIALIZATION=true" in str(done.exception)


def predicting(answer: Callable[[Any], Any]) -> Any:
    """Python code around a model that answers so."""

    class Model:
        def predict(self, given: Any) -> Any:
            return answer(given)

    return wrapped(model=Model())


@pytest.mark.few(2)
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda given: [float("nan") for _ in given], "the model predicts nan minutes"),
        (lambda given: [1.0 / len(given)], "(1,) numbers for 200 events"),
        (lambda given: [[1.0, 2.0] for _ in given], "(200, 2) numbers for 200 events"),
        (lambda given: ["ten minutes" for _ in given], "could not convert string to float"),
        (
            lambda given: [ride["fare"] for ride in given],
            "the model fails on rides: KeyError: 'fare'",
        ),
        (lambda _: os._exit(3), "the process that scores the model ended with 3"),
        (lambda given: [5.0 for _ in given], "5.0 minutes for each of 200 different rides"),
    ],
)
def test_a_model_whose_answers_cannot_be_served_is_refused(
    answer: Callable[[Any], Any], complaint: str
) -> None:
    done = publish(logged_python(predicting(answer)), "--name", "failing")
    assert done.exit_code == 1
    assert complaint in str(done.exception)


def test_two_versions_of_which_one_says_nothing_of_its_data_are_compared() -> None:
    mlflow.register_model(skops(of_dicts(Ridge(), PAIR, MILES)), "compared")
    runner, validate = CliRunner(), ["--validate", "synthetic:1000:9"]
    promote = ["promote", "--name", "compared", "--version", "1"]
    done = runner.invoke(app, promote)
    assert "does not say which data it was measured on: name data" in str(done.exception)
    done = runner.invoke(app, [*promote, *validate])
    assert "so it may have seen synthetic:1000:9: allow that with --unknown-data" in str(
        done.exception
    )
    done = runner.invoke(app, [*promote, *validate, "--unknown-data"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "which either may have been trained on" in " ".join(done.output.split())
