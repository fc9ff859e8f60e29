"""rides: the verbs of all parts in one command, each the same as in `python -m` of its part."""

from typing import TYPE_CHECKING, NoReturn

from infra.common import console

if TYPE_CHECKING:
    import typer


def main() -> NoReturn:
    """Runs the command line's verb and exits the process."""
    console.run(_run)


def _run() -> None:
    # Within the function, so that Ctrl-C during these imports is handled too.
    from infra.cli import app as whole  # noqa: PLC0415
    from operations.cli import app as operations  # noqa: PLC0415
    from stream_sim.cli import app as simulator  # noqa: PLC0415
    from training.cli import app as training  # noqa: PLC0415

    joined({"Rides": simulator, "Models": training, "Operations": operations, "The whole": whole})()


def joined(parts: "dict[str, typer.Typer]") -> "typer.Typer":
    """One command line with all verbs, each part under its own title."""
    app = console.new_app("Sends rides, makes and moves models, runs and takes down the system.")
    for title, part in parts.items():
        for verb in part.registered_commands:
            if verb.hidden:  # a deprecated name that another part's verb now uses
                continue
            verb.rich_help_panel = title
            app.registered_commands.append(verb)
        for group in part.registered_groups:
            group.rich_help_panel = title
            app.registered_groups.append(group)
    return app
