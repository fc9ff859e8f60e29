"""python -m operations"""

from infra.common import console


def main() -> None:
    from operations.cli import app  # noqa: PLC0415 - a Ctrl-C while it is imported is one too

    app()


if __name__ == "__main__":
    console.run(main)
