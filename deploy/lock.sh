#!/usr/bin/env bash
# Remakes requirements.lock (running the node), requirements-atlas.lock (that, and what finds deep nuclei) and
# requirements-dev.lock (that, and the tests' tools) from pyproject.toml, for every Python from 3.11 on, with the hash of every file. Needs uv on PATH.
#
#   deploy/lock.sh              keeps the pinned versions where they still fit
#   deploy/lock.sh --upgrade    takes the newest that fit
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."

compile=(uv pip compile --quiet --universal --python-version 3.11 --generate-hashes
    --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command deploy/lock.sh)
"${compile[@]}" "$@" --extra install --output-file requirements.lock pyproject.toml
"${compile[@]}" "$@" --extra install --extra atlas --constraints requirements.lock \
    --output-file requirements-atlas.lock pyproject.toml
"${compile[@]}" "$@" --extra install --extra atlas --extra dev --constraints requirements-atlas.lock \
    --output-file requirements-dev.lock pyproject.toml
