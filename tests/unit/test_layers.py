"""The picture of the packages in docs/architecture.md: each line imports from lines below it."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from infra.common.paths import ROOT

PAGE: Final = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SOURCES: Final = ("infra", "operations", "training", "stream_sim", "trips", "lambda/ride_scoring")
THE_OLD_COMMANDS: Final = "stream_sim.cli imports operations.cli.app"


def layers() -> list[set[str]]:
    """The modules and packages that each line of the picture names, from its top to its bottom."""
    picture = PAGE.partition("## The packages")[2].partition("```\n")[2].partition("```")[0]
    found: list[set[str]] = []
    package = ""
    for line in picture.splitlines():
        if head := re.match(r"(\S+)/ ", line):
            package = head[1].removeprefix("lambda/").replace("/", ".")
            found.append({package})
        if rooms := re.match(r"\S* +(\w+(?:, \w+)*)  ", line):
            found.append({f"{package}.{room}" for room in rooms[1].split(", ")})
    return found


def place(module: str, known: list[set[str]]) -> int | None:
    """The line of the longest prefix that the picture has; None where a module is not ours."""
    prefixes = [
        (len(name), number)
        for number, names in enumerate(known)
        for name in names
        if f"{module}.".startswith(f"{name}.")
    ]
    return max(prefixes)[1] if prefixes else None


def imports(tree: ast.AST) -> Iterator[str]:
    """What is imported when the module runs, or one of its functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node)


def test_each_line_of_the_picture_imports_only_from_those_below() -> None:
    known = layers()
    assert len(known) > 15
    upwards, modules = [], 0
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).with_suffix("").as_posix().removeprefix("lambda/")
            module = name.replace("/", ".").removesuffix(".__init__")
            at = place(module, known)
            assert at is not None, module
            modules += 1
            upwards += [
                f"{module} imports {imported}"
                for imported in imports(ast.parse(path.read_text(encoding="utf-8")))
                if (above := place(imported, known)) is not None and above < at
            ]
    assert modules > 300
    assert upwards == [THE_OLD_COMMANDS]
