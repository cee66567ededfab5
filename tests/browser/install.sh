#!/usr/bin/env bash
# Installs what tests/browser needs beside the peers: Debian's Chromium, and OHIF from npm's registry.
# Nothing of it belongs to the blocking tests.
set -euo pipefail

version=3.13.2
sha512=5997719a9986eeba85816f5924b71b82bdd70ad2e2d4a0cd3e831a798e4f3deea3e06e1f8c48e393271933a0ba664d85f3b04ac457e9abe8dde715d907d13c10
place="${XDG_CACHE_HOME:-$HOME/.cache}/qsmnode/ohif-$version"

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
if [ ! -x /usr/bin/chromium ]; then
    command -v apt-get >/dev/null || { echo "tests/browser/install.sh: no apt-get here; install /usr/bin/chromium" >&2; exit 1; }
    "${as_root[@]}" apt-get update --quiet
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends chromium
fi

if [ ! -f "$place/package/dist/index.html" ]; then
    command -v npm >/dev/null || { echo "tests/browser/install.sh: no npm here: apt-get install npm" >&2; exit 1; }
    mkdir -p "$place"
    cd "$place"
    npm pack --silent "@ohif/app@$version"
    echo "$sha512  ohif-app-$version.tgz" | sha512sum --check --quiet
    tar --extract --gzip --file "ohif-app-$version.tgz"
    rm "ohif-app-$version.tgz"
fi
echo "chromium: $(/usr/bin/chromium --version 2>/dev/null); OHIF $version: $place"
