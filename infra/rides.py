"""rides: the verbs of all parts in one command, each as `python -m` of its part has it."""

from typing import TYPE_CHECKING, NoReturn

from infra.common import console

if TYPE_CHECKING:
    import typer


def main() -> NoReturn:
    """Runs the verb on the command line, and ends the process."""
    console.run(_run)


def _run() -> None:
    # A Ctrl-C while they are imported is one too.
    from infra.cli import app as whole  # noqa: PLC0415 - as above
    from operations.cli import app as operations  # noqa: PLC0415 - as above
    from stream_sim.cli import app as simulator  # noqa: PLC0415 - as above
    from training.cli import app as training  # noqa: PLC0415 - as above

    joined({"Rides": simulator, "Models": training, "Operations": operations, "The whole": whole})()


def joined(parts: "dict[str, typer.Typer]") -> "typer.Typer":
    """One command line with the verbs of all, each part under its title."""
    app = console.new_app("Sends rides, makes and moves models, runs and takes down the system.")
    for title, part in parts.items():
        for verb in part.registered_commands:
            if verb.hidden:  # an old name, whose verb is another part's by now
                continue
            verb.rich_help_panel = title
            app.registered_commands.append(verb)
        for group in part.registered_groups:
            group.rich_help_panel = title
            app.registered_groups.append(group)
    return app
