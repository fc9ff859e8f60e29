"""Reads the deployment that a tfvars file describes.

Names, types and defaults come from terraform/variables.tf. Full validation is left to Terraform:
only values used in computations are checked, against ranges repeated below, and a file that
Terraform would reject for other reasons is still priced.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import hcl2
import msgspec
from lark.exceptions import LarkError

from infra.common import spec
from infra.common.console import UserError
from infra.common.paths import TERRAFORM
from operations.plan import quotas

DECLARED: Final = TERRAFORM / "variables.tf"

Shards = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None


class Deployment(msgspec.Struct, frozen=True):
    """The variables that affect cost or capacity. Shards are None for on-demand streams."""

    events_shards: Shards
    predictions_shards: Shards
    retention_hours: Annotated[int, msgspec.Meta(ge=24, le=8760)]
    shard_metrics: frozenset[str]
    kms_key_arn: str | None
    encrypt_streams: bool
    rejects_retention_days: Annotated[int, msgspec.Meta(ge=1)] | None
    noncurrent_retention_days: Annotated[int, msgspec.Meta(ge=1)] | None
    architecture: Literal["x86_64", "arm64"]
    memory_mb: Annotated[int, msgspec.Meta(ge=128, le=10_240)]
    ephemeral_storage_mb: Annotated[int, msgspec.Meta(ge=512, le=10_240)]
    reserved_concurrency: Annotated[int, msgspec.Meta(ge=1)] | None
    provisioned_concurrency: Annotated[int, msgspec.Meta(ge=0)]
    snap_start: bool
    tracing: bool
    log_retention_days: Annotated[int, msgspec.Meta(ge=1)]
    canary: dict[str, Any] | None
    model_refresh_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)]
    shadow_alias: str
    shadow_stream: bool
    output_aggregation: Literal["none", "kpl"]
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    batch_window_seconds: Annotated[int, msgspec.Meta(ge=0, le=300)]
    parallelization_factor: Annotated[int, msgspec.Meta(ge=1, le=10)]
    enhanced_fan_out: bool

    @property
    def versions(self) -> int:
        """How many versions of the function serve at once."""
        return 1 if self.canary is None else 2

    @property
    def most_concurrency(self) -> int:
        """How many of an account's concurrent executions the function can use."""
        held = self.reserved_concurrency is not None or self.provisioned_concurrency > 0
        return quotas.CONCURRENCY_AN_ACCOUNT - (quotas.UNRESERVED_CONCURRENCY if held else 0)

    @property
    def aggregates(self) -> bool:
        """Whether many predictions share a record."""
        return self.output_aggregation == "kpl"

    @property
    def shadows(self) -> bool:
        """Whether a second model predicts the same rides."""
        return self.shadow_alias != ""


class Declared(msgspec.Struct, frozen=True):
    """A Terraform variable declaration."""

    type: str
    default: Any = msgspec.UNSET
    nullable: bool = True


_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str, int, float),  # Terraform converts numbers to strings
    "number": (int, float, str),  # and numeric strings to numbers
    "bool": (bool, str),
    "set": (list,),
    "list": (list,),
    "map": (dict,),
    "object": (dict,),
}


def read(tfvars: Path, declared_in: Path = DECLARED) -> Deployment:
    """Reads the deployment that a tfvars file describes. Raises `UserError`."""
    declared = _declared(declared_in)
    given = _parsed(tfvars)
    for name, value in given.items():
        _require_declared(tfvars, name, declared)
        _require_kind(tfvars, name, value, declared[name])
    values = {
        field.name: _value(field.name, given, declared)
        for field in msgspec.structs.fields(Deployment)
    }
    for field in msgspec.structs.fields(Deployment):
        _require_range(tfvars, field.name, values[field.name], field.type)
    return msgspec.convert(values, Deployment, strict=False)


def _value(name: str, given: Mapping[str, Any], declared: Mapping[str, Declared]) -> object:
    """The effective value: null counts as unset if a variable is not nullable."""
    variable = declared[name]
    value = given.get(name, variable.default)
    return variable.default if value is None and not variable.nullable else value


def _declared(path: Path) -> dict[str, Declared]:
    blocks = _parsed(path).get("variable", [])
    return {
        name: msgspec.convert(variable, Declared)
        for block in blocks
        for name, variable in block.items()
        if not name.startswith("__")
    }


def _parsed(path: Path) -> dict[str, Any]:
    options = hcl2.SerializationOptions(
        with_comments=False, explicit_blocks=False, strip_string_quotes=True
    )
    try:
        return hcl2.loads(path.read_text(encoding="utf-8"), serialization_options=options)
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: name a file of Terraform's variables, "
            "such as terraform/envs/dev.tfvars, with --tfvars"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}): name another with --tfvars") from error
    except LarkError as error:
        line = getattr(error, "line", None)
        at = f" at line {line}" if isinstance(line, int) and line > 0 else ""
        raise UserError(
            f"{path} is not valid HCL{at}: `terraform fmt -check {path}` says what is wrong"
        ) from None


def _require_declared(path: Path, name: str, declared: Mapping[str, Declared]) -> None:
    if name in declared:
        return
    raise UserError(
        f"{path} sets {name}, and there is no such variable: the nearest is "
        f"{spec.closest(name, declared)}"
    )


def _require_kind(path: Path, name: str, value: object, variable: Declared) -> None:
    kind = variable.type.removeprefix("${").partition("(")[0].rstrip("}")
    fits = isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))
    if value is not None and not fits:
        raise UserError(f"{path} sets {name} to {value!r}, and it is a {kind}: set it to one")


def _require_range(path: Path, name: str, value: object, wanted: object) -> None:
    try:
        msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"{path} sets {name} to {value!r}, which is not allowed: {error}") from None
