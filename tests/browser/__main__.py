"""What a radiologist sees: map, segmentation and page in OHIF, in a real browser, from a real archive.

    tests/browser/install.sh
    .venv/bin/python -m tests.browser --out out/browser

Prints how well each picture of the screen agrees with what was stored, keeps the pictures in --out, and ends
with 1 where one does not look as meant, with 2 where browser, viewer or archive are missing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.browser.chromium import BrowserError, Chromium
from tests.browser.screens import Screen, screens
from tests.browser.study import Study, put
from tests.browser.viewer import Viewer
from tests.peers import programs
from tests.peers.orthanc import Orthanc

VERSION = "3.13.2"
_TRIES = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at everything; 0 where all of it is as meant."""
    given = _parser().parse_args(arguments)
    lacking = _lacking(given.viewer, given.chromium)
    if lacking:
        print(f"tests.browser: missing: {lacking}", file=sys.stderr)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="qsmnode-browser-") as folder:
        archive = Orthanc(Path(folder) / "orthanc")
        archive.start()
        try:
            print("a simulated head becomes a study", flush=True)
            study = put(archive, Path(folder) / "study")
            return _look(given, archive, study, Path(folder))
        finally:
            archive.stop()


def _look(given: argparse.Namespace, archive: Orthanc, study: Study, folder: Path) -> int:
    viewer = Viewer(given.viewer, archive)
    try:
        good = [_tried(given, screen, viewer, study, folder) for screen in screens()]
    finally:
        viewer.close()
    return 0 if all(good) else 1


def _tried(given: argparse.Namespace, screen: Screen, viewer: Viewer, study: Study, folder: Path) -> bool:
    """One screen in a browser of its own; again where it is not as meant: rendering in software flickers."""
    picture = given.out / f"{screen.name}.png"
    picture.unlink(missing_ok=True)  # of an earlier run
    for number in range(1, _TRIES + 1):
        browser = Chromium(given.chromium, folder / f"{screen.name}-{number}")
        try:
            browser.open()
            verdict = screen.look(browser, viewer, study, picture)
        except BrowserError as error:
            print(f"{screen.name}, try {number}: {error}", file=sys.stderr, flush=True)
            continue
        finally:
            browser.close()
        print(f"{screen.name}, try {number}: {verdict.text}", flush=True)
        if verdict.good:
            return True
    print(f"{screen.name}: FAILED after {_TRIES} tries; see {picture}", file=sys.stderr)
    return False


def _lacking(viewer: Path, chromium: Path) -> str:
    lacking = programs.missing(["orthanc"])
    if not chromium.is_file():
        lacking.append(f"{chromium} (chromium: tests/browser/install.sh)")
    if not (viewer / "index.html").is_file():
        lacking.append(f"{viewer}/index.html (OHIF {VERSION}: tests/browser/install.sh)")
    return ", ".join(lacking)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    here = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "qsmnode"
    parser.add_argument("--out", type=Path, default=Path("out/browser"), help="where the pictures go")
    parser.add_argument("--viewer", type=Path, default=here / f"ohif-{VERSION}/package/dist", metavar="DIR")
    parser.add_argument("--chromium", type=Path, default=Path("/usr/bin/chromium"), metavar="FILE")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
