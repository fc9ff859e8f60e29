"""A configuration applied to an emulator, and what Terraform would change about it."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from infra import package
from infra.common.paths import TERRAFORM
from infra.common.processes import Children
from infra.stack import local_architecture
from infra.terraform import Terraform


class Change(NamedTuple):
    """What a plan would do to one resource; which of its arguments differ."""

    address: str
    kind: str
    actions: tuple[str, ...]
    differs: frozenset[str]

    @property
    def replaces(self) -> bool:
        return "delete" in self.actions


class Deployment:
    """One state of one configuration, its files in `folder`. Use it in a `with`."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        configuration: Path = TERRAFORM,
        profile: str | None,
        variables: Mapping[str, str],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._children = Children()
        self._variables = dict(variables)
        self._standing: dict[str, dict[str, Any]] | None = None
        self.terraform = Terraform(
            self._children,
            folder,
            environment,
            configuration=configuration,
            profile=profile,
            data=folder / "terraform",
        )

    def __enter__(self) -> "Deployment":
        self._children.__enter__()
        self.terraform.init()
        return self

    def __exit__(self, *_: object) -> None:
        self._children.__exit__(None, None, None)

    def apply(self, **changed: str) -> None:
        """Applies; the variables stay as they are changed."""
        self._variables |= changed
        self._standing = None
        self.terraform.apply(self._variables)

    def destroy(self) -> None:
        self._standing = None
        self.terraform.destroy(self._variables)

    def plan(self, **changed: str) -> list[Change]:
        """What would be changed, with these variables beside those that were applied."""
        plan = self._folder / "plan"
        values = self.terraform.values(self._variables | changed)
        code, said = self.terraform.run("plan", "-no-color", f"-out={plan}", *values)
        assert code == 0, said
        changes = [_change(entry) for entry in self._shown(plan)["resource_changes"]]
        return [change for change in changes if change.actions not in {("no-op",), ("read",)}]

    def resources(self) -> dict[str, dict[str, Any]]:
        """What stands, by its address; asked for once, as each command starts the provider."""
        if self._standing is None:
            root = self._shown().get("values", {}).get("root_module", {})
            self._standing = {entry["address"]: entry["values"] for entry in _resources(root)}
        return self._standing

    def outputs(self) -> dict[str, Any]:
        return self.terraform.outputs()

    def _shown(self, plan: Path | None = None) -> dict[str, Any]:
        code, said = self.terraform.run("show", "-json", str(plan or self.terraform.state))
        assert code == 0, said
        return dict(json.loads(said))


def unexplained(
    changes: list[Change], forgets: Mapping[str, frozenset[str]]
) -> list[tuple[str, frozenset[str]]]:
    """The changes that an emulator's known forgetfulness does not account for."""
    found = []
    for change in changes:
        left = change.differs - forgets.get(change.kind, frozenset())
        if left or change.actions != ("update",):
            found.append((change.address, left))
    return found


def a_changed_package(folder: Path) -> Path:
    """The function with one more file in it: another version for Lambda."""
    changed = folder / "changed.zip"
    changed.write_bytes(package.package_path(package.SCORING, local_architecture()).read_bytes())
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("changed.txt", "a new version")
    return changed


def _change(entry: dict[str, Any]) -> Change:
    change = entry["change"]
    before, after = change["before"] or {}, change["after"] or {}
    differs = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return Change(entry["address"], entry["type"], tuple(change["actions"]), frozenset(differs))


def _resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    own = [entry for entry in module.get("resources", []) if entry["mode"] == "managed"]
    below = [entry for child in module.get("child_modules", []) for entry in _resources(child)]
    return own + below
