"""Reads an MLmodel file: the model's flavours, signature and run."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from ride_scoring.domain import FRACTIONAL
from ride_scoring.errors import UNREADABLE, ModelRefused
from ride_scoring.fields import Field
from ride_scoring.models.files import ModelFiles
from ride_scoring.models.inputs import ModelInputs

if TYPE_CHECKING:
    import pandas as pd

FILE: Final = "MLmodel"
NUMERIC_TYPES: Final = {
    "double": "float64",
    "float": "float32",
    "long": "int64",
    "integer": "int32",
}
"""MLflow's name of a column's type ▸ NumPy's."""
_TEXT: Final = "string"

_WHOLE: Final = frozenset({"long", "integer"})
_DEEPEST: Final = 32
"""MLflow's own files nest four deep. The parser's stack grows with the depth until it overflows."""
_NULL: Final = "tag:yaml.org,2002:null"


class _Loader(yaml.CBaseLoader):
    """Loads strings, lists, mappings and null only: numbers and dates are not needed here, and long
    ones are slow to parse.
    """


_Loader.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_constructor(_NULL, lambda _loader, _node: None)


class Column(msgspec.Struct, frozen=True):
    """One column of a signature's inputs; `type` is MLflow's name for it."""

    name: str
    type: str


class Description(msgspec.Struct, frozen=True):
    """The parts of an MLmodel file that are used. `inputs` is None without a signature."""

    flavors: dict[str, dict[str, Any]]
    inputs: tuple[Column, ...] | None
    has_params: bool
    run_id: str | None

    @property
    def takes(self) -> ModelInputs | None:
        """What the signature asks for; None without one."""
        if self.inputs is None:
            return None
        fields = tuple(Field(column.name, column.type == _TEXT) for column in self.inputs)
        return ModelInputs(fields, "columns" if any(f.is_text for f in fields) else "matrix")

    @property
    def single_columns(self) -> list[int]:
        """Columns that MLflow rounds to single precision before the model sees them."""
        return [i for i, column in enumerate(self.inputs or ()) if column.type == "float"]

    @property
    def code_path(self) -> str | None:
        """Where the model's own Python code is, if it has any."""
        for flavor in self.flavors.values():
            if code := flavor.get("code") or flavor.get("model_code_path"):
                return str(code)
        return None

    @property
    def loader(self) -> object:
        """The name of the module that pyfunc loads the model with; None if MLmodel names none."""
        return self.flavors.get("python_function", {}).get("loader_module")

    @property
    def is_plain_sklearn(self) -> bool:
        """Whether pyfunc would do no more than call the scikit-learn estimator's `predict`."""
        pyfunc = self.flavors.get("python_function", {})
        return (
            "sklearn" in self.flavors
            and self.code_path is None
            and not self.has_params
            and self.loader in (None, "mlflow.sklearn")
            and pyfunc.get("predict_fn", "predict") == "predict"
        )


def read(files: ModelFiles) -> Description:
    """Raises `ModelRefused` where the file is missing or damaged."""
    content = files.find(FILE)
    if content is None:
        raise ModelRefused("the model directory has no MLmodel file")
    try:
        _require_plain(content)
        said = yaml.load(content, _Loader)  # noqa: S506 - which makes no objects
        flavors = {str(name): dict(flavor) for name, flavor in said["flavors"].items()}
        signature = dict(said.get("signature") or {})
        run_id = said.get("run_id")
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        raise ModelRefused(f"the MLmodel file is damaged: {type(error).__name__}") from error
    _require_inside(flavors)
    return Description(
        flavors=flavors,
        inputs=_inputs(signature) if signature else None,
        has_params=bool(signature.get("params")),
        run_id=None if run_id is None else str(run_id),
    )


def _require_plain(content: bytes) -> None:
    """Raises `ModelRefused` for a small file that would be large once parsed."""
    depth = 0
    for event in yaml.parse(content, yaml.CBaseLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ModelRefused("the MLmodel file uses YAML aliases")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ModelRefused(f"the MLmodel file nests deeper than {_DEEPEST}")


def _inputs(signature: dict[str, Any]) -> tuple[Column, ...]:
    """The signature's columns, in order. MLflow keeps them as JSON inside YAML."""
    try:
        columns = msgspec.json.decode(signature["inputs"], type=tuple[Column, ...])
    except (KeyError, TypeError, *UNREADABLE) as error:
        raise ModelRefused("the model's signature has no named columns as inputs") from error
    if not columns:
        raise ModelRefused("the model's signature has no named columns as inputs")
    types = (*NUMERIC_TYPES, _TEXT)
    if others := [column.name for column in columns if column.type not in types]:
        raise ModelRefused(
            f"the model's signature wants {', '.join(others)} as neither a number nor text: "
            f"features have the types {', '.join(types)}"
        )
    if cut := [item.name for item in columns if item.name in FRACTIONAL and item.type in _WHOLE]:
        raise ModelRefused(
            f"the model's signature wants {', '.join(cut)} as whole numbers: log the model with a "
            "signature of the type double"
        )
    return columns


def frame(columns: Mapping[str, Sequence[object]], description: Description) -> "pd.DataFrame":
    """Columns as a data frame, with the signature's types of numbers."""
    import pandas as pd  # noqa: PLC0415 - most of the start-up, and not every model asks

    types = {
        column.name: NUMERIC_TYPES[column.type]
        for column in description.inputs or ()
        if column.type in NUMERIC_TYPES
    }
    return pd.DataFrame(columns).astype(types)


def _require_inside(said: object, key: str = "") -> None:
    """Raises `ModelRefused` if a flavour names a path outside the model directory."""
    if isinstance(said, dict):
        for name, value in said.items():
            _require_inside(value, str(name))
    elif isinstance(said, str) and key != "uri" and _leads_out(said):  # a uri is where it was
        raise ModelRefused(f"MLmodel names {said!r}, outside of the model directory")


def _leads_out(path: str) -> bool:
    return path.startswith(("/", "~")) or ".." in path.split("/") or "\0" in path
