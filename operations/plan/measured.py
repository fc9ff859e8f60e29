"""Reads the plan's inputs from measured.toml: CPU time of a batch, and assumptions."""

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec

from infra.common.console import UserError

MEASURED: Final = Path(__file__).parent / "measured.toml"

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Whole = Annotated[int, msgspec.Meta(ge=0)]


class Cpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CPU microseconds per record on one core, from docs/benchmarks.md."""

    source: str
    linear_us_at_100: Positive
    linear_us_at_1000: Positive
    kpl_us_at_1000: Positive
    trees_us_at_1000: Positive
    shadow_us: Positive

    @property
    def batch_ms(self) -> float:
        """Fixed milliseconds per batch, from the line through both batch sizes."""
        return (self.linear_us_at_100 - self.linear_us_at_1000) / (1 / 100 - 1 / 1000) / 1000

    def ride_ms(self, *, aggregated: bool, shadow: bool) -> float:
        """Additional milliseconds per ride, with boosted trees."""
        trees = self.trees_us_at_1000 / 1000 - self.batch_ms / 1000
        packing = (self.kpl_us_at_1000 - self.linear_us_at_1000) / 1000
        return trees + aggregated * packing + shadow * self.shadow_us / 1000


class Assumed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Assumptions not measured on AWS; measured.toml explains each of them."""

    headroom: Annotated[float, msgspec.Meta(gt=0, le=1)]
    put_records_ms: Positive
    put_object_ms: Positive
    between_batches_ms: Positive
    producer_buffer_ms: Positive
    readers_of_predictions: Whole
    platform_log_bytes: Positive
    log_compression: Positive
    environment_hours: Positive
    stored_gb: Positive
    alarm_metrics: Whole
    canary_alarm_metrics: Whole
    composite_alarms: Whole
    mapping_metrics: Whole
    kms_callers: Whole
    kms_requests: Whole
    kept_versions: Whole


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cpu: Cpu
    assumed: Assumed


def read(path: Path = MEASURED) -> Measured:
    """Reads the figures from a file. Raises `UserError`."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Measured)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} holds no measured figures: {error}; restore it with `git checkout {path}`"
        ) from error
