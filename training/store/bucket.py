"""The bucket of the model store."""

from typing import TYPE_CHECKING

from infra.common.bucket import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def store_bucket(s3: "S3Client", name: str) -> Bucket:
    """On use, raises `UserError` if the bucket does not exist or access to it is denied."""
    return Bucket(s3, name, "MODEL_BUCKET or --model-bucket", "they need to read and write it")
