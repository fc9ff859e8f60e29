"""What a command line says where it fails: no key, whatever it was that failed."""

import pytest

from infra.common import console

KEY = "ASIACANARYCANARY2345"
SIGNATURE = "0123456789abcdef" * 4
SESSION = "canary/token+/=="
HEADER = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/eu-west-1/s3/aws4_request, Signature="


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"x-amz-security-token:{SESSION}\nhost:there", "x-amz-security-token:…\nhost:there"),
        (f"'X-Amz-Security-Token': {SESSION} it was", "'X-Amz-Security-Token': … it was"),
        (f"Authorization={HEADER}{SIGNATURE}.", "Authorization=…, Signature=…"),
        (f"{HEADER}{SIGNATURE}", "AWS4-HMAC-SHA256 Credential=…, Signature=…"),
        (
            f"http://there/key?X-Amz-Credential={KEY}%2Fs3&X-Amz-Signature={SIGNATURE}&X-Amz-Date=1",
            "http://there/key?X-Amz-Credential=…&X-Amz-Signature=…&X-Amz-Date=1",
        ),
        (
            f"{{'Authorization': '{HEADER}{SIGNATURE}'}}",
            "{'Authorization': '…, Signature=…'}",
        ),
        ("no answer from http://rides:canary@there:9/key", "no answer from http://…@there:9/key"),
        (f"five elements are expected, got '{KEY}'", "five elements are expected, got '…'"),
    ],
)
def test_keys_and_signatures_are_left_out(
    capsys: pytest.CaptureFixture[str], said: str, told: str
) -> None:
    with pytest.raises(SystemExit):
        console.fail(said, 1)
    assert capsys.readouterr().err == f"error: {told}\n"


@pytest.mark.parametrize(
    "said",
    [
        "AWS refused PutRecords: InvalidSignatureException: The request signature does not match",
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE",
        "s3://bucket/a:b@c.parquet does not exist",
        "s3://bucket/key may not be read (InvalidAccessKeyId): the credentials need s3:GetObject",
    ],
)
def test_all_else_is_said_as_it_is(capsys: pytest.CaptureFixture[str], said: str) -> None:
    with pytest.raises(SystemExit):
        console.fail(said, 1)
    assert capsys.readouterr().err == f"error: {said}\n"
