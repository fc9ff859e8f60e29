"""Paths in a checkout."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "build"
OUT: Final = ROOT / "out"
UV: Final = ROOT / ".uv" / "bin" / "uv"
REQUIREMENTS: Final = ROOT / "infra" / "requirements"
FUNCTION_SOURCES: Final = ROOT / "lambda" / "ride_scoring"
TERRAFORM: Final = ROOT / "terraform"

LOCALSTACK: Final = ROOT / ".localstack"
LOCALSTACK_PYTHON: Final = LOCALSTACK / "venv" / "bin" / "python"
RUNTIME_PYTHON: Final = LOCALSTACK / "runtime" / "bin" / "python"
