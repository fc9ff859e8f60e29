"""python -m training"""

from infra.common import console


def main() -> None:
    from training.cli import app  # noqa: PLC0415 - Ctrl-C during the import is handled too

    app()


if __name__ == "__main__":
    console.run(main)
