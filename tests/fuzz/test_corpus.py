"""What was once sent, or found, comes to what is promised."""

from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, TARGETS

INPUTS = sorted(path.relative_to(CORPUS) for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=str)
@pytest.mark.filterwarnings("ignore")  # of numbers that overflow in a model
def test_every_promise_is_kept(path: Path) -> None:
    TARGETS[path.parts[0]].run((CORPUS / path).read_bytes())


def test_every_target_has_inputs_to_begin_with() -> None:
    assert {path.parts[0] for path in INPUTS} == set(TARGETS)
