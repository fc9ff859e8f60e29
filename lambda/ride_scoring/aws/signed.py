"""One attempt of a call: signed by botocore and sent. Returns the reply or raises AWS's error."""

import contextlib
import logging
import re
import time
from typing import TYPE_CHECKING, Final, cast

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from ride_scoring.aws.credentials import Credentials, CredentialSource
from ride_scoring.aws.endpoints import Origin
from ride_scoring.aws.http import Http, NoAnswer, PassingError, Reply, Request
from ride_scoring.errors import UNREADABLE, AwsError
from ride_scoring.ports import CALL_SECONDS

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_USER_AGENT: Final = "ride-scoring"

_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException"})
# botocore.retries.standard: what it takes for a throttle or for transient, whatever the status; and
# Kinesis's throttles for the calls that it makes to KMS.
_TRANSIENT_CODES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_CODE: Final = re.compile(r"[A-Za-z0-9_.]{1,100}")
_XML_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9_.]{1,100})</Code>")

# It writes canonical requests at DEBUG, and the session token is part of them.
logging.getLogger("botocore.auth").setLevel(logging.INFO)


class Signed:
    """Signs and sends to one service; knows nothing of its operations."""

    def __init__(
        self,
        signer: type[SigV4Auth],
        service: str,
        region: str,
        credentials: CredentialSource,
        http: Http,
        call_seconds: float,
    ) -> None:
        self._region = region
        self._signer = signer
        self._service = service
        self._credentials = credentials
        self._http = http
        self._call_seconds = call_seconds

    def send(
        self,
        what: str,
        request: Request,
        done: frozenset[int] = frozenset({200}),
        seconds: float = CALL_SECONDS,
    ) -> Reply:
        """One attempt, of `seconds` or `call_seconds` at most; an answer whose status is in `done`.

        Raises `AwsError`, and `PassingError` where another attempt may help; both begin with
        `what`.
        """
        try:
            reply = self._attempt(request, min(seconds, self._call_seconds))
        except NoAnswer as error:
            raise NoAnswer(f"{what}: {error}", error.code) from error
        if reply.status not in done:
            raise _refusal(what, request.origin, reply)
        return reply

    def _attempt(self, request: Request, seconds: float) -> Reply:
        """Retries once with other credentials if AWS reports these as expired."""
        deadline = time.monotonic() + seconds
        credentials = self._credentials.current(deadline)
        reply = self._http.exchange(self._signed(request, credentials), deadline)
        if reply.status in {400, 403} and _error_code(reply) in _EXPIRED:
            renewed = self._credentials.renewed(credentials, deadline)
            if renewed is not None:
                return self._http.exchange(self._signed(request, renewed), deadline)
        return reply

    def _signed(self, request: Request, credentials: Credentials) -> Request:
        """The request with the headers that sign it."""
        url = f"{request.origin}{request.path}"
        headers = {**request.headers, "Host": request.origin.authority, "User-Agent": _USER_AGENT}
        signed = AWSRequest(request.method, url, headers, request.body)
        # Of credentials, botocore reads three attributes; its own class is slow to import.
        signer = self._signer(cast("ReadOnlyCredentials", credentials), self._service, self._region)
        signer.add_auth(signed)
        return request._replace(headers=dict(signed.headers.items()))


def _error_code(reply: Reply) -> str:
    """AWS's own name for a refusal, in JSON or XML; the status where there is none."""
    if xml := _XML_CODE.search(reply.body):
        return xml[1].decode()
    with contextlib.suppress(*UNREADABLE):
        kind = msgspec.json.decode(reply.body, type=_JsonError).kind
        if match := _CODE.fullmatch(kind.rpartition("#")[2]):
            return match[0]
    return str(reply.status)


class _JsonError(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(name="__type")


def _refusal(what: str, origin: Origin, reply: Reply) -> AwsError:
    """Omits AWS's own message, which may quote the request."""
    code = _error_code(reply)
    request_id = reply.headers.get("x-amz-request-id") or reply.headers.get("x-amzn-requestid")
    message = f"{what}: {origin} answered {reply.status} {code} (request {request_id})"
    if reply.status in _REDIRECTS:
        region = reply.headers.get("x-amz-bucket-region", "another region")
        message += f": the bucket is in {region}, and redirects are not followed"
    if _is_transient(reply.status, code):
        return PassingError(message, code)
    return AwsError(message, code, hopeless=True)


def _is_transient(status: int, code: str) -> bool:
    return status in {408, 429} or status >= 500 or code in _TRANSIENT_CODES
