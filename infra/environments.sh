#!/usr/bin/env bash
# Makes the virtual environments that are missing or out of date. Where all is there it says nothing.
#   .uv                  uv, which installs the others
#   .venv                the project, on the Python that the function is deployed to
#   .localstack/venv     LocalStack, whose pins clash with the project's
#   .localstack/runtime  what runs the function as a process: AWS's runtime client and nothing else
#   .localstack/checkov  what looks for mistakes in the HCL, whose pins clash too
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PYTHON=3.13
readonly REQUIREMENTS=infra/requirements

fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

runs() { "$1" -c "import sys, venv; sys.exit(sys.version_info < (3, 8))" >/dev/null 2>&1; }
runs_313() { "$1" -c "import sys; sys.exit(sys.version_info[:2] != (3, 13))" >/dev/null 2>&1; }

# A name on PATH may be a shim of pyenv that refuses to run, so each candidate is tried.
find_313() {
  local pyenv_root=${PYENV_ROOT:-$HOME/.pyenv} candidate
  for candidate in "python$PYTHON" python3 "$pyenv_root"/versions/"$PYTHON".*/bin/"python$PYTHON"; do
    if runs_313 "$candidate"; then command -v "$candidate"; return; fi
  done
  return 1
}

make_uv() {
  local python=$1
  [ -x .uv/bin/uv ] && cmp -s "$REQUIREMENTS/uv.txt" .uv/installed && return
  echo "  uv, into .uv"
  rm -rf .uv
  "$python" -m venv .uv 2>/dev/null ||
    fail "$python cannot make a virtual environment: install its venv module (on Debian: python3-venv)"
  .uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$REQUIREMENTS/uv.txt" ||
    fail "uv could not be installed: is the package index reachable?"
  cp "$REQUIREMENTS/uv.txt" .uv/installed
}

# make_environment FOLDER REQUIREMENTS [FOLDER OF A PACKAGE TO INSTALL IN PLACE]
make_environment() {
  local folder=$1 requirements=$REQUIREMENTS/$2.txt package=${3:-}
  local wanted; wanted=$(cat "$requirements" ${package:+"$package/pyproject.toml"} | cksum)
  [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && return
  echo "  $folder: $(grep -c '^[a-z].*==' "$requirements") packages"
  .uv/bin/uv venv --quiet --clear --python "$python313" "$folder" 2>/dev/null ||
    fail "no Python $PYTHON: it is neither on PATH nor pyenv's, and uv could not get one; install Python $PYTHON"
  .uv/bin/uv pip sync --quiet --python "$folder" --require-hashes --compile-bytecode "$requirements" ||
    fail "the packages in $requirements could not be installed: is the package index reachable?"
  if [ -n "$package" ]; then
    .uv/bin/uv pip install --quiet --python "$folder" --no-deps --no-build-isolation --editable "$package"
  fi
  echo "$wanted" >"$folder/installed"
}

python313=$(find_313) || python313=$PYTHON # uv gets one by that name
bootstrap=$python313
runs "$bootstrap" || bootstrap=python3
runs "$bootstrap" || fail "no Python 3 with its venv module: install Python $PYTHON"

make_uv "$bootstrap"
mkdir -p .localstack
make_environment .venv project .
make_environment .localstack/venv localstack infra/localstack
make_environment .localstack/runtime runtime
make_environment .localstack/checkov checkov
echo "$SECONDS" >.localstack/setup-seconds
