"""All mutants: in how many ways the function is broken, and what has to notice each."""

from typing import Final

from tests.mutants import of_models, of_reading, of_scoring, of_sink
from tests.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *of_sink.MUTANTS,
    *of_scoring.MUTANTS,
    *of_reading.MUTANTS,
    *of_models.MUTANTS,
)
