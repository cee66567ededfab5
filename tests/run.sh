#!/usr/bin/env bash
# Every check of the project, with one command.
#
#   ./tests/run.sh [--install-peers] [arguments for pytest]
#
# Sets .venv up, then runs ruff, mypy, import-linter and pytest, all of them even where one fails.
#   --install-peers           first installs the real peers: Debian's packages (sudo where not root), dcmqi from PyPI
#   -n N                      that many test processes; otherwise one per core. -n 0: none beside pytest itself
#   QSMNODE_CORPUS            folder of real scanner files; tests that need it are skipped without
#   QSMNODE_REQUIRE_PEERS=1   a missing peer is a failure, not a skip
#   QSMNODE_REQUIRE_CORPUS=1  a missing corpus is a failure, not a skip
# Exit code: pytest's own where it is not 0, else 1 where another check failed.
set -uo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

install_peers=""
arguments=()
for argument in "$@"; do
    case "$argument" in
        --install-peers) install_peers=yes ;;
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "tests/run.sh"; exit 0 ;;
        *) arguments+=("$argument") ;;
    esac
done
case "${QSMNODE_CORPUS-}" in
    "" | /*) ;;
    *) export QSMNODE_CORPUS="$called_from/$QSMNODE_CORPUS" ;;
esac

deploy/setup.sh --dev || exit $?
if [ -n "$install_peers" ]; then
    tests/peers/install.sh || exit $?
fi

bin=.venv/bin
failed=()
check() {
    local name=$1
    shift
    echo "== $name"
    "$@" </dev/null || failed+=("$name")
}
check "ruff check" $bin/ruff check --quiet .
check "ruff format" $bin/ruff format --quiet --check .
check "mypy" $bin/mypy
check "lint-imports" $bin/lint-imports --no-logo

# Some of the real peers listen on every interface: where the kernel allows it, pytest sees loopback only.
network="plain loopback (no private network namespace here)"
pytest=("$bin/python" -m pytest)
unshare=(unshare --net)
if [ "$(id -u)" -ne 0 ]; then
    unshare=(unshare --net --map-current-user --keep-caps)
fi
if "${unshare[@]}" "$bin/python" tests/peers/private_network.py >/dev/null 2>&1; then
    network="private network namespace"
    pytest=("${unshare[@]}" "$bin/python" tests/peers/private_network.py "${pytest[@]}")
fi
# By file, so that what a file's tests share is made once; in their order, so that the long ones begin first.
processes=(-n auto --dist loadfile --no-loadscope-reorder)
echo "== pytest, in: $network"
"${pytest[@]}" "${processes[@]}" ${arguments[@]+"${arguments[@]}"} </dev/null
code=$?
if [ $code -ne 0 ]; then
    failed+=("pytest (exit code $code)")
fi

if [ ${#failed[@]} -eq 0 ]; then
    echo "tests/run.sh: everything passed"
    exit 0
fi
printf -v list '%s, ' "${failed[@]}"
echo "tests/run.sh: FAILED: ${list%, }"
[ $code -ne 0 ] && exit $code
exit 1
