"""A function that does what its records say: an event in, an answer, an error or an exit out.

LocalStack runs `handler` out of a zip, where there is Python and nothing else. The simulation takes
`planned` alone, which is all of it but the doing.
"""

import base64
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

INSTEAD: Final = ("raise", "exit", "hang")
"""What is done instead of an answer."""
ANSWERS: Final[Mapping[str, Any]] = {
    "nothing": None,
    "empty": {},
    "null-list": {"batchItemFailures": None},
}
"""Answers for a whole batch."""
ENTRIES: Final[Mapping[str, Callable[[str], Any]]] = {
    "report": lambda number: {"itemIdentifier": number},
    "bad-key": lambda number: {"itemidentifier": number},
    "empty-id": lambda _: {"itemIdentifier": ""},
    "null-id": lambda _: {"itemIdentifier": None},
    "unknown-id": lambda _: {"itemIdentifier": "0"},
}
"""What an answer says of one record, by its sequence number."""


@dataclass(frozen=True)
class Call:
    """One invocation. `ids` are those in the records' data. `does` is one of INSTEAD or ANSWERS, or
    "answer" for a list of failures; `answer` is None where there is none.
    """

    shard_id: str
    sequence_numbers: list[str]
    ids: list[int]
    does: str
    answer: Any = None


def planned(event: Mapping[str, Any], before: Sequence[Call]) -> Call:
    """What the function does on a call, after those before it.

    A record's data are `{"id": …, "does": […]}`: what it asks for on the first, second, third call
    that it is part of, and nothing on later ones. Where records ask for something that concerns the
    whole batch, the first of them gets it.
    """
    records = event["Records"]
    scripts = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in records]
    numbers = [record["kinesis"]["sequenceNumber"] for record in records]
    asked = [_asked(script, before) for script in scripts]
    does = next((what for what in asked if what in INSTEAD or what in ANSWERS), "answer")
    return Call(
        shard_id=records[0]["eventID"].partition(":")[0],
        sequence_numbers=numbers,
        ids=[script["id"] for script in scripts],
        does=does,
        answer=_reported(numbers, asked) if does == "answer" else ANSWERS.get(does),
    )


def handler(event: Mapping[str, Any], _context: object) -> Any:
    """Writes the call to the file CALLS before it does anything: it has to outlive the process."""
    log = Path(os.environ["CALLS"])
    before = [Call(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]
    call = planned(event, before)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(asdict(call))}\n")
    match call.does:
        case "raise":
            raise RuntimeError("a record asked for it")
        case "exit":
            os._exit(1)
        case "hang":
            time.sleep(3600)
    return call.answer


def _asked(script: Mapping[str, Any], before: Sequence[Call]) -> str:
    seen = sum(script["id"] in call.ids for call in before)
    return str(script["does"][seen]) if seen < len(script["does"]) else "ok"


def _reported(numbers: Sequence[str], asked: Sequence[str]) -> Mapping[str, Any]:
    """The first comes last: the order of an answer says nothing."""
    pairs = zip(reversed(numbers), reversed(asked), strict=True)
    failures = [ENTRIES[what](number) for number, what in pairs if what in ENTRIES]
    return {"batchItemFailures": failures}
