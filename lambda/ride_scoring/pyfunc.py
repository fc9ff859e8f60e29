"""The third way to load a model: MLflow's pyfunc, for any flavour, with all of MLflow."""

import os
from collections.abc import Callable
from typing import Any

from ride_scoring.errors import ModelRefused
from ride_scoring.mlmodel import NUMERIC_TYPES, Description
from ride_scoring.model_files import ModelFiles
from ride_scoring.sklearn_flavor import ALLOW_PICKLE_VARIABLE


def load(
    files: ModelFiles, description: Description, *, allow_pickle: bool
) -> Callable[[Any], object]:
    """What takes a matrix, or the course's dicts, and gives minutes. Raises `ModelRefused`."""
    if description.code_path is not None and not allow_pickle:
        raise ModelRefused(
            f"the model brings code of its own along, in {description.code_path}: allow it with "
            f"{ALLOW_PICKLE_VARIABLE}=true"
        )
    # MLflow allows pickles unless it is told otherwise.
    os.environ[ALLOW_PICKLE_VARIABLE] = str(allow_pickle).lower()
    import mlflow.pyfunc  # noqa: PLC0415 - seconds of start-up, for models of this way alone
    import pandas as pd  # noqa: PLC0415

    location = files.mlflow_location()
    try:
        predict: Callable[[Any], object] = mlflow.pyfunc.load_model(location).predict
    except Exception as error:  # each flavour fails in its own way
        raise ModelRefused(
            f"MLflow cannot load the model: {type(error).__name__}: {error}"
        ) from error
    columns = description.inputs
    if columns is None:
        return predict
    names = [column.name for column in columns]
    types = {column.name: NUMERIC_TYPES[column.type] for column in columns}
    return lambda matrix: predict(pd.DataFrame(matrix, columns=names).astype(types))
