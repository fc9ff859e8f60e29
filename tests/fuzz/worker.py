"""python -m tests.fuzz.worker TARGET [libFuzzer's options]: feeds one target until it is told to
end, or until it has a finding. The modules of the function tell the fuzzer what each input reached.
"""

import importlib
import logging
import sys
import warnings
from random import Random

import atheris

_ANEW = 0.2
"""Of the inputs: made from one to begin with, as the fuzzer keeps the smallest that reach as much,
and these are seldom whole documents."""


def main() -> None:
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["ride_scoring", "skops.io"]):
        targets = importlib.import_module("tests.fuzz.targets")
    target = targets.TARGETS[name]
    beginnings = [file.read_bytes() for file in sorted((targets.CORPUS / name).iterdir())]
    logging.disable()  # a line for each model that is loaded
    warnings.simplefilter("ignore")

    def edited(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < _ANEW:
            data = random.choice(beginnings)
        whole: bytes = target.edit(
            data, random, lambda part: atheris.Mutate(part, max(longest, len(part)))
        )
        return whole[:longest]

    with_edits = {"custom_mutator": edited} if target.edit else {}
    atheris.Setup([sys.argv[0], *options], target.run, **with_edits)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
