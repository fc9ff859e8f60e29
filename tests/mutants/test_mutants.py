"""Breaks the function in every way of the catalogue: the properties have to notice each."""

import functools
import shutil
from pathlib import Path

import pytest

from infra.common.paths import FUNCTION_SOURCES
from stream_sim.simulation.checks import history
from stream_sim.simulation.checks.draw import draw
from tests.mutants import runner, seeds
from tests.mutants.catalogue import MUTANTS
from tests.mutants.histories import Caught
from tests.mutants.mutant import Mutant

FEW = 10
"""One of so many is tried by `make test`, the others by `make test-all`."""


@functools.cache
def what_catches(mutant: Mutant) -> Caught:
    first = seeds.read().get(mutant.name)
    return runner.search(mutant, [] if first is None else [first])


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, id=mutant.name, marks=[pytest.mark.thorough] * bool(index % FEW))
        for index, mutant in enumerate(MUTANTS)
    ],
)
def test_a_broken_function_is_noticed(mutant: Mutant) -> None:
    caught = what_catches(mutant)
    assert caught.seed is not None, f"{caught.histories:,} histories passed"
    assert set(caught.properties) & set(mutant.caught_by)


@pytest.mark.thorough
def test_the_function_itself_passes_the_histories_that_catch_its_mutants() -> None:
    seeds_that_catch = {what_catches(mutant).seed for mutant in MUTANTS} - {None}
    broken = {seed: history.run(draw(seed)).broken for seed in seeds_that_catch if seed}
    assert {seed: found for seed, found in broken.items() if found} == {}


def test_no_two_mutants_have_one_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("text", ["no such line", "self"])
def test_a_mutant_that_the_code_has_left_behind_says_so(text: str, tmp_path: Path) -> None:
    copy = shutil.copytree(FUNCTION_SOURCES, tmp_path / "copy")
    with pytest.raises(
        ValueError, match=r"'a mutant': streams/sink.py holds .* times, and not once"
    ):
        Mutant("a mutant", "streams/sink.py", text, "", ("lost",)).apply(copy)
