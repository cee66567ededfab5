#!/usr/bin/env bash
# Sets qsmnode up in .venv and runs its demonstration: a simulated scanner, the node and an archive on this machine.
# Arguments go to `qsmnode demo`, e.g. `./deploy/demo.sh --out /some/folder`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$here/deploy/setup.sh"
exec "$here/.venv/bin/qsmnode" demo "$@"
