"""Deals faults to the function's calls, reproducibly by seed. Pure.

Each service has a deck of its kinds of faults, reshuffled when used up, so that every kind comes up
regularly.
"""

import random
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

_SHARE: Final = 0.2
"""Share of a service's calls that get a fault."""
_STALL_SECONDS: Final = (0.5, 7.0)
"""The function times out after 5 seconds: some answers are late, some too late."""
_REFUSED: Final = 0.5
"""Share of records refused in a partly refused call."""
_PUT_RECORDS: Final = "Kinesis_20131202.PutRecords"


class Service(StrEnum):
    """The services that the function calls."""

    S3 = "s3"
    KINESIS = "kinesis"


class Answer(StrEnum):
    """What the function receives: LocalStack's answer, its first half, an injected error, nothing,
    or LocalStack's answer with some records refused that were never passed on."""

    TRUE = "true"
    HALF = "half"
    ERROR = "error"
    NONE = "none"
    PARTLY_REFUSED = "partly refused"


class Fault(msgspec.Struct, frozen=True):
    """One kind of fault. `passed_on`: whether the call reaches LocalStack."""

    name: str
    answer: Answer
    passed_on: bool = True
    stalls: bool = False
    status: int = 0
    code: str = ""


class Dealt(msgspec.Struct, frozen=True):
    """One call's fault: `seconds` to delay the answer, `seed` to select the refused records."""

    fault: Fault
    seconds: float
    seed: int


FAULTS: Final[Mapping[Service, tuple[Fault, ...]]] = {
    Service.S3: (
        Fault("s3: InternalError", Answer.ERROR, passed_on=False, status=500, code="InternalError"),
        Fault("s3: SlowDown", Answer.ERROR, passed_on=False, status=503, code="SlowDown"),
        Fault("s3: no answer", Answer.NONE, passed_on=False),
        Fault("s3: answer cut short", Answer.HALF),
        Fault("s3: slow answer", Answer.TRUE, stalls=True),
        Fault("s3: done, InternalError", Answer.ERROR, status=500, code="InternalError"),
    ),
    Service.KINESIS: (
        Fault(
            *("kinesis: throttled", Answer.ERROR),
            passed_on=False,
            status=400,
            code="ProvisionedThroughputExceededException",
        ),
        Fault(
            *("kinesis: InternalFailure", Answer.ERROR),
            passed_on=False,
            status=500,
            code="InternalFailure",
        ),
        Fault(
            *("kinesis: done, InternalFailure", Answer.ERROR), status=500, code="InternalFailure"
        ),
        Fault("kinesis: done, no answer", Answer.NONE),
        Fault("kinesis: answer cut short", Answer.HALF),
        Fault("kinesis: partly refused", Answer.PARTLY_REFUSED),
        Fault("kinesis: slow answer", Answer.TRUE, stalls=True),
    ),
}


class Deck:
    """Deals faults to a share of the calls and counts them by name. Thread-safe."""

    def __init__(self, seed: int, share: float = _SHARE) -> None:
        self._dealt: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._share = share
        self._left: dict[Service, list[Fault]] = {service: [] for service in Service}
        self._lock = threading.Lock()

    def deal(self, service: Service) -> Dealt | None:
        """The fault for the next call, if any."""
        with self._lock:
            if self._random.random() >= self._share:
                return None
            left = self._left[service]
            if not left:
                left += self._random.sample(FAULTS[service], len(FAULTS[service]))
            fault = left.pop()
            self._dealt[fault.name] += 1
            seconds = self._random.uniform(*_STALL_SECONDS) if fault.stalls else 0.0
            return Dealt(fault, seconds, self._random.getrandbits(32))

    def counts(self) -> dict[str, int]:
        """How often each fault was dealt, by name."""
        return {fault.name: self._dealt[fault.name] for kinds in FAULTS.values() for fault in kinds}


def service_of(target: str | None) -> Service | None:
    """The service that a call with this X-Amz-Target is for; None if it gets no faults."""
    if target is None:  # only S3 requests have no X-Amz-Target
        return Service.S3
    return Service.KINESIS if target == _PUT_RECORDS else None


class _Call(msgspec.Struct):
    stream: str = msgspec.field(name="StreamName")
    records: list[msgspec.Raw] = msgspec.field(name="Records")


class _Results(msgspec.Struct):
    failed: int = msgspec.field(name="FailedRecordCount")
    records: list[msgspec.Raw] = msgspec.field(name="Records")


class PartOfACall(msgspec.Struct, frozen=True):
    """A PutRecords body without the records at `refused`; None if that is all of them."""

    body: bytes | None
    refused: frozenset[int]


def without_some(body: bytes, seed: int) -> PartOfACall:
    """Removes at least one record from a PutRecords body."""
    call, chance = msgspec.json.decode(body, type=_Call), random.Random(seed)
    count = len(call.records)
    refused = {i for i in range(count) if chance.random() < _REFUSED} or {chance.randrange(count)}
    call.records = [record for i, record in enumerate(call.records) if i not in refused]
    return PartOfACall(msgspec.json.encode(call) if call.records else None, frozenset(refused))


def with_refusals(answer: bytes, refused: frozenset[int]) -> bytes:
    """The answer to the reduced call, with refusals inserted for the removed records."""
    results = msgspec.json.decode(answer, type=_Results)
    for place in sorted(refused):
        results.records.insert(place, _REFUSAL)
    results.failed += len(refused)
    return msgspec.json.encode(results)


_REFUSAL: Final = msgspec.Raw(
    b'{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"}'
)
NO_RESULTS: Final = b'{"FailedRecordCount":0,"Records":[]}'


def error_body(service: Service, code: str) -> bytes:
    """An error body in the service's own format."""
    if service is Service.S3:
        return f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'.encode()
    return msgspec.json.encode({"__type": code, "message": "chaos"})
