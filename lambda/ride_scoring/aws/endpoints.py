"""The environment in; out come the region and the addresses of S3 and Kinesis, as boto3 has them.

A bucket and a key become the host and the path that a request for them goes to.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import botocore
import msgspec

from ride_scoring.errors import AwsError, SettingsError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_HOST_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OTHER_PROTOCOLS: Final = ("--x-s3", "--xa-s3", "--op-s3")
"""Directory buckets and Outposts sign and address in ways of their own."""


class Origin(NamedTuple):
    """A server that a connection leads to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """What stands in the Host header: without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Endpoint(msgspec.Struct, frozen=True):
    """Where a service is. `given` tells one that was configured."""

    origin: Origin
    region: str
    path: str = ""
    given: bool = False


class _Outputs(msgspec.Struct, frozen=True, rename="camel"):
    """The part of botocore's partition data that addresses are made of."""

    dns_suffix: str
    dual_stack_dns_suffix: str
    supports_dual_stack: bool
    supports_fips: bool = msgspec.field(name="supportsFIPS")


class _Partition(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    outputs: _Outputs
    region_regex: str
    regions: dict[str, msgspec.Raw]


class _Partitions(msgspec.Struct, frozen=True):
    partitions: list[_Partition]


def kinesis(environment: Mapping[str, str]) -> Endpoint:
    """Where Kinesis is. Raises `SettingsError`."""
    region = _region(environment)
    if given := _given(environment, "KINESIS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS"):
        return _configured(*given, region)
    fips, dual_stack = _variant(environment)
    partition = _partition(region)
    outputs = _checked(partition, region, fips=fips, dual_stack=dual_stack)
    # GovCloud's plain endpoints are its FIPS ones: https://docs.aws.amazon.com/general/latest/gr/ak.html
    plain = not fips or (partition.id == "aws-us-gov" and not dual_stack)
    name = "kinesis" if plain else "kinesis-fips"
    suffix = outputs.dual_stack_dns_suffix if dual_stack else outputs.dns_suffix
    return Endpoint(Origin("https", f"{name}.{region}.{suffix}", 443), region)


def s3(environment: Mapping[str, str]) -> Endpoint:
    """Where S3 is. Raises `SettingsError`."""
    region = _region(environment)
    if given := _given(environment, "AWS_ENDPOINT_URL_S3"):
        return _configured(*given, region)
    fips, dual_stack = _variant(environment)
    outputs = _checked(_partition(region), region, fips=fips, dual_stack=dual_stack)
    name = f"s3{'-fips' if fips else ''}{'.dualstack' if dual_stack else ''}"
    # boto3's default, `us_east_1_regional_endpoint = legacy`: there S3 has no region in its name.
    place = "" if region == "us-east-1" and name == "s3" else f".{region}"
    return Endpoint(Origin("https", f"{name}{place}.{outputs.dns_suffix}", 443), region)


def object_address(endpoint: Endpoint, bucket: str, key: str) -> tuple[Origin, str]:
    """Host and path of an object. Raises `AwsError` for a name that S3 would refuse."""
    if not _BUCKET.fullmatch(bucket) or bucket.endswith(_OTHER_PROTOCOLS):
        raise AwsError(f"{bucket!r} is not a valid S3 bucket name", "InvalidBucketName")
    if not key:
        raise AwsError(f"an object in {bucket} needs a key of at least one character", "InvalidKey")
    path = quote(key, safe="/~")
    # AWS's certificates do not cover a bucket whose name has dots, and servers of one's own seldom
    # answer to names below theirs: both have the bucket in the path, as with boto3.
    if endpoint.given or "." in bucket or _is_ip_address(bucket):
        return endpoint.origin, f"{endpoint.path.rstrip('/')}/{bucket}/{path}"
    return endpoint.origin._replace(host=f"{bucket}.{endpoint.origin.host}"), f"/{path}"


def parsed_url(name: str, url: str) -> tuple[Origin, str]:
    """Server and path of the URL in the variable `name`. Raises `SettingsError`, without the URL.

    A URL may hold a password, so the message never does.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsError(f"{name} is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise SettingsError(f"{name} must be a URL that begins with http:// or https:// and a host")
    origin = Origin(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])
    return origin, parts.path + (f"?{parts.query}" if parts.query else "")


def _region(environment: Mapping[str, str]) -> str:
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise SettingsError("AWS_REGION is not set: requests are signed for a region")
    if not _HOST_LABEL.fullmatch(region) or region.endswith("-global"):
        raise SettingsError(f"AWS_REGION is {region!r}, which is not a region such as eu-west-1")
    return region


def _given(environment: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """The variable that configures a service's endpoint, and its URL.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html; KINESIS_ENDPOINT_URL
    is the MLOps Zoomcamp's own.
    """
    if _is_true(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return None
    for name in (*names, "AWS_ENDPOINT_URL"):
        if url := environment.get(name):
            return name, url
    return None


def _configured(name: str, url: str, region: str) -> Endpoint:
    origin, path = parsed_url(name, url)
    if "?" in path or "@" in urlsplit(url).netloc:
        raise SettingsError(f"{name} must be a URL without a query, a user or a password")
    return Endpoint(origin, region, path, given=True)


def _variant(environment: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether FIPS and whether dual-stack endpoints are asked for."""
    return (
        _is_true(environment, "AWS_USE_FIPS_ENDPOINT"),
        _is_true(environment, "AWS_USE_DUALSTACK_ENDPOINT"),
    )


def _is_true(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() == "true"


def _partition(region: str) -> _Partition:
    data = Path(botocore.__file__).parent / "data" / "partitions.json"
    partitions = msgspec.json.decode(data.read_bytes(), type=_Partitions).partitions
    for partition in partitions:
        if region in partition.regions:
            return partition
    for partition in partitions:
        if re.match(partition.region_regex, region):
            return partition
    raise SettingsError(
        f"no AWS partition has a region {region!r}: correct AWS_REGION or set AWS_ENDPOINT_URL"
    )


def _checked(partition: _Partition, region: str, *, fips: bool, dual_stack: bool) -> _Outputs:
    outputs = partition.outputs
    # botocore's data say that China has FIPS endpoints; S3's own rules say that it has none.
    if fips and (not outputs.supports_fips or partition.id == "aws-cn"):
        raise SettingsError(f"AWS_USE_FIPS_ENDPOINT is set, but {region} has no FIPS endpoints")
    if dual_stack and not outputs.supports_dual_stack:
        raise SettingsError(
            f"AWS_USE_DUALSTACK_ENDPOINT is set, but {region} has no dual-stack endpoints"
        )
    return outputs


def _is_ip_address(bucket: str) -> bool:
    return bucket.replace(".", "").isdigit() and bucket.count(".") == 3
