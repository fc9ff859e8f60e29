"""The rejects bucket, as a redrive uses it."""

from typing import TYPE_CHECKING

from infra.bucket import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def rejects_bucket(s3: "S3Client", name: str) -> Bucket:
    """Raises `UserError` once it is used, where it is not there, or not ours to use."""
    needs = "a redrive lists it, reads rejects/, aws/lambda/ and redriven/, and writes redriven/"
    return Bucket(s3, name, "REJECTS_BUCKET or --rejects-bucket", needs)
