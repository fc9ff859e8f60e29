"""Finds versions of a registered model by alias or number, and moves its aliases.

MLflow keeps no alias history, so each move is recorded as a tag on the version it moved to.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast
from uuid import uuid4

import msgspec
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
)

from infra.common.console import UserError, without_password
from training import names
from training.provenance import person

Why = Literal["train", "evaluate", "promote", "forced", "rollback"]

_MOVE_TAG: Final = "alias_move."
_CLAIM_TAG: Final = "alias_claim."
_CLAIM_LASTS: Final = timedelta(minutes=1)
"""A claim is held while one alias is set; an older one was left by a killed process."""
_MISSING: Final = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Move(msgspec.Struct, frozen=True):
    """One move of an alias from `before`, which may be None, to `version`. `note` gives the reason
    for people to read."""

    at: datetime
    by: str
    why: Why
    alias: str
    before: str | None
    version: str
    note: str = ""


def require_names(name: str, alias: str) -> None:
    """Raises `UserError` if MLflow would reject a name, or take an alias for something else."""
    for word in (name, alias):
        if not word.isprintable():
            raise UserError(f"{word!r} cannot be a name: it is not printable text")
    try:
        _validate_model_name(name)
        _validate_model_alias_name(alias)  # type: ignore[no-untyped-call]
        _validate_model_alias_name_reserved(alias)  # type: ignore[no-untyped-call]
    except MlflowException as error:
        raise UserError(f"{str(error.message).rstrip('.')}: name another") from error
    if alias.isdecimal():
        raise UserError(f"the alias {alias} would be taken for a version's number: name another")


def by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion:
    """Raises `UserError` if the registry has no such alias."""
    found = find_alias(client, name, alias)
    if found is None:
        hint = "promote" if alias == names.serving_alias() else f"train --alias {alias}"
        raise UserError(
            f"the registry has no alias {alias!r} of a model {name!r}: run `python -m training "
            f"{hint} --name {name}` first"
        )
    return found


def find_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    with _registry_answers():
        try:
            return _with_run(client, client.get_model_version_by_alias(name, alias))
        except MlflowException as error:
            if error.error_code in _MISSING:
                return None
            raise


def chosen(client: MlflowClient, name: str, which: str) -> ModelVersion:
    """The version with that alias or number. Raises `UserError`."""
    return (by_number if which.isdecimal() else by_alias)(client, name, which)


def by_number(client: MlflowClient, name: str, version: str) -> ModelVersion:
    """Raises `UserError` if there is no such version."""
    with _registry_answers():
        try:
            return _with_run(client, client.get_model_version(name, version))
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            raise UserError(
                f"the registry has no version {version} of a model {name!r}: "
                f"`python -m training history` lists what it has"
            ) from error


def tagged(client: MlflowClient, name: str, tag: str, value: str) -> ModelVersion | None:
    """The newest version with this tag; None if there is none."""
    with _registry_answers():
        found = [
            version for version in _all_versions(client, name) if version.tags.get(tag) == value
        ]
        newest = max(found, key=lambda version: int(version.version), default=None)
        return newest and _with_run(client, newest)


def _with_run(client: MlflowClient, version: ModelVersion) -> ModelVersion:
    """The version, with the run that logged its model: MLflow leaves it out where a version was
    registered by the model's ID."""
    if version.run_id or not version.model_id:
        return version
    run_id = client.get_logged_model(version.model_id).source_run_id
    return cast("ModelVersion", ModelVersion.from_dictionary({**dict(version), "run_id": run_id}))


def number(version: ModelVersion) -> str:
    """As a string: MLflow returns an int, despite its type annotations."""
    return str(version.version)


def move_alias(
    client: MlflowClient, move_to: ModelVersion, alias: str, why: Why, note: str = ""
) -> Move:
    """Sets the alias, and records who moved it and why."""
    name, version = move_to.name, number(move_to)
    named = find_alias(client, name, alias)
    move = Move(
        datetime.now(UTC), person(), why, alias, number(named) if named else None, version, note
    )
    tag = f"{_MOVE_TAG}{move.at:%Y%m%dT%H%M%S.%f}"
    with _registry_answers():
        client.set_model_version_tag(name, version, tag, msgspec.json.encode(move).decode())
        try:
            client.set_registered_model_alias(name, alias, version)
        except BaseException:  # an alias rejected by MLflow, or Ctrl-C: it did not move
            client.delete_model_version_tag(name, version, tag)
            raise
    return move


def move_alias_from(
    client: MlflowClient,
    before: ModelVersion | None,
    move_to: ModelVersion,
    alias: str,
    why: Why,
    note: str,
) -> Move:
    """Like `move_alias`, but raises `UserError` unless the alias still names the version `before`.

    The registry has no conditional write. A claim is written before the alias is read, so of two
    concurrent movers at least one sees the other's claim.
    """
    with _claimed(client, move_to.name, alias) as still_holds:
        named = find_alias(client, move_to.name, alias)
        if (named and number(named)) != (before and number(before)):
            raise UserError(
                f"{alias} moved {f'to version {number(named)} ' if named else ''}while version "
                f"{number(move_to)} was compared with "
                f"{f'version {number(before)}' if before else 'none'}: run this again, to compare "
                "it with what stands now"
            )
        still_holds()
        return move_alias(client, move_to, alias, why, note)


@contextmanager
def _claimed(client: MlflowClient, name: str, alias: str) -> Iterator[Callable[[], None]]:
    """Yields a check that raises `UserError` once others may consider the claim stale."""
    mine, claimed_at = f"{_CLAIM_TAG}{alias}.{uuid4().hex}", datetime.now(UTC)

    def still_holds() -> None:
        if datetime.now(UTC) - claimed_at > _CLAIM_LASTS / 2:
            raise UserError(f"{alias} of {name} was not moved: the registry is too slow; try again")

    with _registry_answers():
        client.set_registered_model_tag(name, mine, claimed_at.isoformat())
        try:
            _require_no_other_claim(client, name, alias, mine)
            yield still_holds
        finally:
            client.delete_registered_model_tag(name, mine)


def _require_no_other_claim(client: MlflowClient, name: str, alias: str, mine: str) -> None:
    for tag, at in client.get_registered_model(name).tags.items():
        if not tag.startswith(f"{_CLAIM_TAG}{alias}.") or tag == mine:
            continue
        if datetime.now(UTC) - datetime.fromisoformat(at) < _CLAIM_LASTS:
            raise UserError(
                f"somebody else moves {alias} of {name} at this moment: run this again in a minute"
            )
        with contextlib.suppress(MlflowException):  # another process may have removed it already
            client.delete_registered_model_tag(name, tag)


def moves(client: MlflowClient, name: str) -> list[Move]:
    """All moves of all aliases of a model, oldest first."""
    with _registry_answers():
        found = [
            msgspec.json.decode(value, type=Move)
            for version in _all_versions(client, name)
            for tag, value in version.tags.items()
            if tag.startswith(_MOVE_TAG)
        ]
    return sorted(found, key=lambda move: move.at)


def _all_versions(client: MlflowClient, name: str) -> Iterator[ModelVersion]:
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _registry_answers() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        said = without_password(str(error.message))
        raise UserError(f"the registry gave an unexpected response: {said}") from error
