#!/usr/bin/env bash
# Installs the real peers that the tests talk to, from Debian's packages (`./tests/run.sh --install-peers`),
# and what Debian does not have from PyPI, beside the packages of .venv.
# Nothing is left listening: services that come with a package installed here are stopped and disabled.
# What was installed before is left as it is.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/../.."

packages=(dcmtk dicom3tools orthanc orthanc-dicomweb dcm2niix)
declare -A service_of=([orthanc]=orthanc [dcmtk]=dcmqrscp)
policy=/usr/sbin/policy-rc.d
placed_policy=""

is_installed() {
    [ "$(dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]
}

has_service() {
    [ -e "/lib/systemd/system/$1.service" ] || [ -e "/etc/init.d/$1" ]
}

# dcmqi (MIT; its tools BSD-3-Clause) has wheels for Linux on x86_64 and aarch64
install_from_pypi() {
    local place=.venv/peers log=.venv/install-peers.log
    if [ -f "$place/installed" ] && [ "$(cat "$place/installed")" = "$(cat tests/peers/requirements.txt)" ]; then
        return
    fi
    echo "Installing the real peers: dcmqi"
    rm -rf "$place"
    if ! .venv/bin/pip --disable-pip-version-check --no-input install --quiet --no-deps --require-hashes \
        --only-binary :all: --target "$place" --requirement tests/peers/requirements.txt >"$log" 2>&1; then
        cat "$log" >&2
        echo "tests/peers/install.sh: dcmqi could not be installed; the package index must be reachable" >&2
        exit 1
    fi
    cp tests/peers/requirements.txt "$place/installed"
}
install_from_pypi

missing=()
if ! command -v apt-get >/dev/null 2>&1; then
    echo "tests/peers/install.sh: no apt-get here. Install ${packages[*]} some other way," \
        "with the programs in /usr/bin." >&2
    exit 1
fi
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
fi

remove_policy() {
    if [ -n "$placed_policy" ]; then
        "${as_root[@]}" rm -f "$policy"
        placed_policy=""
    fi
}
trap remove_policy EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# 101 is "action forbidden": the packages' own scripts then start no daemon.
if [ ! -e "$policy" ]; then
    placed_policy=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi

log=$(mktemp)
apt_get() {
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@" \
        >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        echo "tests/peers/install.sh: apt-get $* failed" >&2
        exit 1
    fi
}
echo "Installing the real peers: ${missing[*]}"
apt_get update
apt_get install --yes --no-install-recommends "${missing[@]}"
rm -f "$log"

for package in "${missing[@]}"; do
    service=${service_of[$package]-}
    if [ -z "$service" ] || ! has_service "$service"; then
        continue
    fi
    if [ -d /run/systemd/system ]; then
        "${as_root[@]}" systemctl --quiet disable --now "$service"
    else
        "${as_root[@]}" update-rc.d "$service" disable # a container: nothing runs, nothing shall at a later boot
        if command -v systemctl >/dev/null 2>&1; then
            "${as_root[@]}" env SYSTEMD_OFFLINE=1 systemctl --quiet disable "$service"
        fi
    fi
done
