"""python -m stream_sim"""

from infra.common import console


def main() -> None:
    from stream_sim.cli import app  # noqa: PLC0415 - handle Ctrl-C during the import, too

    app()


if __name__ == "__main__":
    console.run(main)
