"""python -m operations"""

from infra.common import console


def main() -> None:
    from operations.cli import app  # noqa: PLC0415 - Ctrl-C during the import must be handled too

    app()


if __name__ == "__main__":
    console.run(main)
