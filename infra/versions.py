"""Prunes a function's versions: keeps the newest few and those that an alias points to.

SnapStart bills a snapshot of each published version until it is deleted, and versions count towards
the account's code storage. Every change of code or settings publishes one.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import ParamValidationError

from infra.common import console
from infra.common.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_PATIENCE: Final = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 5})
_UNPUBLISHED: Final = "$LATEST"


class Pruned(msgspec.Struct, frozen=True):
    """The outcome for a function's versions, both lists ascending. In a dry run, `deleted` are
    those that would be deleted."""

    function: str
    kept: list[int]
    deleted: list[int]
    dry_run: bool


def prune(function: str, keep: int, *, dry_run: bool, as_json: bool) -> None:
    """Deletes all published versions but the newest `keep` and those that an alias points to.

    Raises `UserError` and boto3's errors; versions deleted before an error are printed.
    """
    client = boto3.client("lambda", config=_PATIENCE)
    try:
        published = sorted(_published(client, function))
        aliased = set(_aliased(client, function))
    except ParamValidationError:
        raise UserError(f"{function!r} is not the name of a function: give --function") from None
    except client.exceptions.ResourceNotFoundException:
        raise UserError(
            f"there is no function {function}: give --function, or FUNCTION_NAME as "
            "`terraform output -raw environment` says it"
        ) from None
    kept = aliased.union(published[-keep:])
    pruned = Pruned(
        function,
        kept=[version for version in published if version in kept],
        deleted=[version for version in published if version not in kept],
        dry_run=dry_run,
    )
    for version in pruned.deleted:
        if not dry_run:
            client.delete_function(FunctionName=function, Qualifier=str(version))
        if not as_json:
            said = "would be deleted" if dry_run else "deleted"
            console.out.print(f"version {version} {said}", markup=False)
    if as_json:
        console.print_json(pruned)
    else:
        console.out.print(
            f"{function}: {len(pruned.kept)} versions kept ({_listed(pruned.kept)}), "
            f"{len(pruned.deleted)} {'would be ' if dry_run else ''}deleted",
            markup=False,
        )


def _published(client: "LambdaClient", function: str) -> Iterator[int]:
    for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=function):
        for version in page["Versions"]:
            if version["Version"] != _UNPUBLISHED:
                yield int(version["Version"])


def _aliased(client: "LambdaClient", function: str) -> Iterator[int]:
    """The versions that aliases route to: the one named, and any with a routing weight."""
    for page in client.get_paginator("list_aliases").paginate(FunctionName=function):
        for alias in page["Aliases"]:
            beside = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
            for version in (alias["FunctionVersion"], *beside):
                if version != _UNPUBLISHED:
                    yield int(version)


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
