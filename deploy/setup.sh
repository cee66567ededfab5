#!/usr/bin/env bash
# Makes .venv beside this folder and installs the locked packages and qsmnode itself into it.
#
#   deploy/setup.sh          what running the node needs
#   deploy/setup.sh --atlas  that, and what finds deep nuclei (SimpleITK, 50 MB)
#   deploy/setup.sh --dev    that, and the tests' tools
#
# Doing it again changes nothing and takes seconds, unless a lock file, pyproject.toml or this checkout's place
# has changed; where only the sources have, their voxel loops are compiled. QSMNODE_PYTHON names the interpreter;
# otherwise the newest suitable one on PATH is taken.
# Exit codes: 0 ready, 2 no suitable Python, 1 anything else, with pip's own words.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH PYTHONHOME

lock=requirements.lock
case "${1-}" in
    "") ;;
    --atlas) lock=requirements-atlas.lock ;;
    --dev) lock=requirements-dev.lock ;;
    *) echo "deploy/setup.sh: unknown argument $1 (known: --atlas, --dev)" >&2; exit 2 ;;
esac

venv="$PWD/.venv"
stamp="$venv/installed-${lock%.lock}"
log="$venv/install.log"

# The lock files were made for 3.11 to 3.14; compiled packages for a later Python may not exist.
is_suitable() {
    "$1" -c 'import sys, ensurepip, sqlite3, ssl, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
        >/dev/null 2>&1
}

find_python() {
    local name
    for name in ${QSMNODE_PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
        if command -v "$name" >/dev/null 2>&1 && is_suitable "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

explain_missing_python() {
    {
        echo "deploy/setup.sh: no Python 3.11 to 3.14 with the modules venv, ensurepip, sqlite3 and ssl was found."
        echo "Looked for: ${QSMNODE_PYTHON:-python3.14, python3.13, python3.12, python3.11, python3} on PATH."
        echo "Debian 12, Ubuntu 24.04 and later:"
        echo "    sudo apt-get install -y python3 python3-venv"
    } >&2
}

# pip's output is kept and shown only where it failed.
quietly() {
    if ! "$@" >>"$log" 2>&1; then
        cat "$log" >&2
        echo "deploy/setup.sh: this failed: $*" >&2
        echo "The package index must be reachable; running the same command again continues from here." >&2
        exit 1
    fi
}

# The first reconstruction need not wait for machine code then. It is kept for exactly these sources, and made
# anew once they have changed; else this says nothing. Where it fails, a developer's tests say more about it.
compile_voxel_loops() {
    "$venv/bin/python" -m qsmnode.engine.warm && return
    echo "deploy/setup.sh: the engine that was installed cannot reconstruct a small head" >&2
    [ "$lock" = requirements-dev.lock ] || exit 1
}

# What was installed, from what, and where: scripts in a virtual environment hold its absolute path.
wanted() {
    echo "$venv"
    cksum requirements.lock requirements-atlas.lock requirements-dev.lock pyproject.toml
}

is_usable_venv() {
    [ -x "$venv/bin/python" ] && is_suitable "$venv/bin/python" &&
        [ -x "$venv/bin/pip" ] && "$venv/bin/pip" --version >/dev/null 2>&1 &&
        [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)')" = "$venv" ]
}

# Two commands started at once must not write the same environment.
exec 9<deploy/setup.sh
if command -v flock >/dev/null 2>&1; then
    flock 9
fi

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ] && is_usable_venv; then
    compile_voxel_loops
    exit 0
fi

if ! is_usable_venv; then
    if ! python=$(find_python); then
        explain_missing_python
        exit 2
    fi
    echo "Making .venv with $("$python" --version) ($python)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Installing the packages of $lock"
rm -f "$venv"/installed-* "$log"
pip=("$venv/bin/pip" --disable-pip-version-check --no-input install --quiet)
quietly "${pip[@]}" --no-deps --require-hashes --requirement "$lock"
quietly "${pip[@]}" --no-deps --no-build-isolation --editable .
quietly "$venv/bin/python" -m pip check
compile_voxel_loops

wanted >"$stamp"
# each holds everything of those before it
case "$lock" in
    requirements-dev.lock) cp "$stamp" "$venv/installed-requirements-atlas"; cp "$stamp" "$venv/installed-requirements" ;;
    requirements-atlas.lock) cp "$stamp" "$venv/installed-requirements" ;;
esac
