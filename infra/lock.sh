#!/usr/bin/env bash
# Compiles the pins of each environment: with hashes, so that nothing else can be installed, and
# without an index, so that anyone's own is used.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile NAME SOURCE AND OPTIONS…
  local out=infra/requirements/$1.txt
  shift
  .uv/bin/uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url \
    --no-emit-find-links --python-version 3.13 --output-file "$out" "$@"
}

compile function pyproject.toml --extra function --universal
compile image pyproject.toml --extra function --extra image --universal \
  --constraints infra/requirements/function.txt
# What is tested is what is deployed: the function's own pins bind the project's.
compile project pyproject.toml --all-extras --group dev --group runtime --universal \
  --constraints infra/requirements/function.txt
compile runtime --group runtime --universal
compile checkov --group checkov --universal
compile localstack infra/localstack/pyproject.toml
compile uv infra/requirements/uv.in
