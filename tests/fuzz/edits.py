"""Documents in, documents with one thing changed out: so a fuzzer gets beyond what tells a document
from noise (JSON's brackets, an MD5, base64). What is no document is changed byte by byte.
"""

import base64
import binascii
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final

from ride_scoring.streams import kpl
from tests.fuzz import aggregates

Bytewise = Callable[[bytes], bytes]
"""The fuzzer's own way to change bytes."""
Edit = Callable[[bytes, Random, Bytewise], bytes]

_BYTEWISE: Final = 0.15
"""Of the changes: most are to go through what tells a document."""

_ODD: Final[Sequence[Any]] = (
    *(None, True, False, 0, -1, 1, 2, 266, 2**31, 2**63, 10**30, -0.0, 0.5, 1e-320, 1e308),
    *("", "0", "a", "x" * 300, "\ud800", "\U0001f695", "\0", "..", "../a", "/a", "a/b", "~", "é"),
    *([], {}, [[]], {"": {}}, ["a", 1]),
)


def json_of(*words: str) -> Edit:
    """Of a JSON document, whose texts and names may become one of the words."""
    values = (*_ODD, *words)

    def edited(data: bytes, random: Random, bytewise: Bytewise) -> bytes:
        chance = random.random()
        if chance < _BYTEWISE:
            return bytewise(data)
        try:
            if chance < 2 * _BYTEWISE:
                return _spliced(data, random, words)
            return json.dumps(_edited(json.loads(data), random, values)).encode()
        except (ValueError, RecursionError):
            return _spliced(bytewise(data), random, words)

    return edited


def _spliced(data: bytes, random: Random, words: Sequence[str]) -> bytes:
    """With a word put in, anywhere."""
    at = random.randint(0, len(data))
    return data[:at] + random.choice(words).encode() + data[at:]


def _edited(document: Any, random: Random, values: Sequence[Any]) -> Any:
    """With one place of it replaced, removed, added or taken from another place."""
    places = list(_places(document))
    if not places:
        return copy.deepcopy(random.choice(values))
    holder, key = random.choice(places)
    inner = _within(holder[key], random, values)
    match random.randrange(6):
        case 0:
            del holder[key]
        case 1:
            added = copy.deepcopy(random.choice(values))
            if isinstance(holder, dict):
                holder[str(random.choice(values))] = added
            else:
                holder.insert(key, added)
        case 2:
            other, at = random.choice(places)
            holder[key] = copy.deepcopy(other[at])
        case _:
            holder[key] = copy.deepcopy(random.choice(values)) if inner is None else inner
    return document


def _within(value: Any, random: Random, values: Sequence[Any]) -> str | None:
    """Text that is a document of its own is changed inside, most times."""
    if (
        not isinstance(value, str)
        or not value.startswith(("[", "{"))
        or random.random() < _BYTEWISE
    ):
        return None
    try:
        return json.dumps(_edited(json.loads(value), random, values))
    except (ValueError, RecursionError):
        return None


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """All values inside: each as its holder and its key or index there."""
    held = [document]
    while held:
        holder = held.pop()
        if not isinstance(holder, dict | list):
            continue
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            held.append(holder[key])


def aggregate(data: bytes, random: Random, bytewise: Bytewise) -> bytes:
    """Of an aggregated record: its message is changed, and its MD5 is right most times."""
    if not data.startswith(kpl.MAGIC) or random.random() < _BYTEWISE:
        return bytewise(data)
    return aggregates.sealed(bytewise(data[aggregates.BODY]))


def record(of_event: Edit) -> Edit:
    """Of a partition key in a line, and data in base64 behind it."""

    def edited(data: bytes, random: Random, bytewise: Bytewise) -> bytes:
        key, _, text = data.partition(b"\n")
        try:
            inside = binascii.a2b_base64(text)
        except ValueError:
            return bytewise(data)
        if random.random() < _BYTEWISE:
            return bytewise(data)
        of_data = aggregate if inside.startswith(kpl.MAGIC) else of_event
        return key + b"\n" + base64.b64encode(of_data(inside, random, bytewise))

    return edited
