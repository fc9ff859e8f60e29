"""The command line of what runs the whole: what the Makefile calls."""

import os
from pathlib import Path
from typing import Annotated

import typer

from infra import bill_of_materials, demo, invoke, lifecycle, package, soak, stack, versions
from infra.chaos import command as chaos
from infra.common import console
from infra.common.console import UserError
from infra.common.paths import LOCALSTACK
from infra.common.processes import Children
from infra.package import Architecture
from infra.terraform import Terraform

app = console.new_app("Runs, packs and takes down the system.")

PortOption = Annotated[
    int | None,
    typer.Option(envvar="PORT", min=1, max=65535, help="LocalStack's port; by default a free one."),
]


@app.command("demo")
def run_demo(
    port: PortOption = None,
    keep: Annotated[bool, typer.Option(envvar="KEEP", help="Leave the stack standing.")] = False,
) -> None:
    """Bring everything up, send rides, count what came of them, take everything down."""
    demo.demo(port, keep=keep)


@app.command("soak")
def run_soak(
    port: PortOption = None,
    minutes: Annotated[
        float, typer.Option(envvar="MINUTES", min=0.05, max=1440, help="How long to send rides.")
    ] = 10.0,
) -> None:
    """Send rides for minutes at the highest rate that the stack holds, and lose none."""
    soak.soak(port, minutes)


@app.command("chaos")
def run_chaos(
    port: PortOption = None,
    minutes: Annotated[
        float, typer.Option(envvar="MINUTES", min=0.05, max=1440, help="How long to send rides.")
    ] = 10.0,
    seed: Annotated[
        int,
        typer.Option(
            envvar="SEED",
            min=0,
            help="The same seed draws the same rides, faults and pauses; which call they hit "
            "depends on timing.",
        ),
    ] = 1,
) -> None:
    """Send rides while functions are killed, calls fail and models move, and lose none."""
    chaos.chaos(port, minutes, seed)


@app.command()
def up(port: PortOption = None) -> None:
    """Bring everything up and leave it standing."""
    lifecycle.up(port)


@app.command()
def down() -> None:
    """Destroy the running stack."""
    lifecycle.down()


@app.command("invoke")
def run_function(
    event: Annotated[
        Path | None, typer.Argument(envvar="EVENT", metavar="EVENT", help="JSON file of an event.")
    ] = None,
) -> None:
    """Run the function on one event, on AWS's runtime client, with the settings in the environment.

    Example: TEST_RUN=True MODEL_LOCATION=model python -m infra invoke event.json
    """
    if event is None:
        raise UserError("name a JSON file that holds a Lambda event: make invoke EVENT=event.json")
    invoke.invoke(event)


@app.command()
def prune_versions(
    function: Annotated[str, typer.Option(envvar="FUNCTION_NAME", help="The function.")],
    keep: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many of the newest versions to keep.")
    ] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be deleted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the versions as JSON.")] = False,
) -> None:
    """Delete the function's old versions, but those that an alias points to.

    Requires lambda:ListVersionsByFunction, lambda:ListAliases and lambda:DeleteFunction.

    Example: python -m infra prune-versions --keep 3 --dry-run
    """
    versions.prune(function, keep, dry_run=dry_run, as_json=as_json)


@app.command()
def check_terraform() -> None:
    """Check the shape and validity of the HCL."""
    with Children() as children:
        Terraform(children, LOCALSTACK, os.environ).check()


@app.command("package")
def build_package(
    architecture: Annotated[
        Architecture | None,
        typer.Option("--arch", envvar="ARCH", help="By default this machine's."),
    ] = None,
) -> None:
    """Build each function's zip, the same bytes from the same sources, and list what it holds."""
    for function in package.FUNCTIONS:
        built = package.build(function, architecture or stack.local_architecture())
        console.out.print(
            f"{built.path}: {built.zipped_bytes / 2**20:.1f} MiB, unzipped "
            f"{built.unzipped_bytes / 2**20:.1f} MiB, sha256 {built.sha256}"
        )
        counted = bill_of_materials.licences(built.bill.read_text(encoding="utf-8")).most_common()
        listed = ", ".join(f"{name} {count}" for name, count in counted)
        console.out.print(f"{built.bill}: {listed}")
