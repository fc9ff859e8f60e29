"""What goes wrong with the function's calls, and when: services in, faults out, by a seed. Pure.

Each service has a deck of the kinds that it knows: shuffled, dealt, and shuffled again, so that
none is left out for long.
"""

import random
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

_SHARE: Final = 0.2
"""Of the calls to a service."""
_STALL_SECONDS: Final = (0.5, 7.0)
"""The function waits for 5 seconds: some answers come late, and some too late."""
_REFUSED: Final = 0.5
"""Of the records of a call that is refused in part."""
_PUT_RECORDS: Final = "Kinesis_20131202.PutRecords"


class Service(StrEnum):
    """What the function calls."""

    S3 = "s3"
    KINESIS = "kinesis"


class Answer(StrEnum):
    """What the function hears: LocalStack's answer, its first half, an error of ours, or nothing;
    or LocalStack's, with some records refused that it was never given."""

    TRUE = "true"
    HALF = "half"
    ERROR = "error"
    NONE = "none"
    PARTLY_REFUSED = "partly refused"


class Fault(msgspec.Struct, frozen=True):
    """One kind of fault. `passed_on` says whether LocalStack does what it is asked."""

    name: str
    answer: Answer
    passed_on: bool = True
    stalls: bool = False
    status: int = 0
    code: str = ""


class Dealt(msgspec.Struct, frozen=True):
    """A fault of one call: `seconds` until it is answered, `seed` for which records are refused."""

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
    """Deals faults to a share of the calls, and counts them by name. Threads may share it."""

    def __init__(self, seed: int, share: float = _SHARE) -> None:
        self._dealt: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._share = share
        self._left: dict[Service, list[Fault]] = {service: [] for service in Service}
        self._lock = threading.Lock()

    def deal(self, service: Service) -> Dealt | None:
        """What goes wrong with the next call, if anything does."""
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
    """Whom a call with that X-Amz-Target is for; None for one that nothing happens to."""
    if target is None:  # S3 alone says what it is asked for without one
        return Service.S3
    return Service.KINESIS if target == _PUT_RECORDS else None


class _Call(msgspec.Struct):
    stream: str = msgspec.field(name="StreamName")
    records: list[msgspec.Raw] = msgspec.field(name="Records")


class _Results(msgspec.Struct):
    failed: int = msgspec.field(name="FailedRecordCount")
    records: list[msgspec.Raw] = msgspec.field(name="Records")


class PartOfACall(msgspec.Struct, frozen=True):
    """A PutRecords body without the records at `refused`; None where these are all."""

    body: bytes | None
    refused: frozenset[int]


def without_some(body: bytes, seed: int) -> PartOfACall:
    """Takes records out of a PutRecords body, one at least."""
    call, chance = msgspec.json.decode(body, type=_Call), random.Random(seed)
    count = len(call.records)
    refused = {i for i in range(count) if chance.random() < _REFUSED} or {chance.randrange(count)}
    call.records = [record for i, record in enumerate(call.records) if i not in refused]
    return PartOfACall(msgspec.json.encode(call) if call.records else None, frozenset(refused))


def with_refusals(answer: bytes, refused: frozenset[int]) -> bytes:
    """The answer to the part of a call, with refusals where records were taken out."""
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
    """A refusal as the service writes it."""
    if service is Service.S3:
        return f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'.encode()
    return msgspec.json.encode({"__type": code, "message": "chaos"})
