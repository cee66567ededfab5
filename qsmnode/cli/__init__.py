"""The command line: verbs only, no logic.

Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 input not eligible, 4 a peer not reached.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from qsmnode import __version__
from qsmnode.errors import EXIT_UNEXPECTED, QsmnodeError

VERBS = (
    "run",
    "demo",
    "check",
    "explain",
    "reconstruct",
    "send",
    "echo",
    "jobs",
    "retry",
    "cancel",
    "purge",
    "backup",
    "methods",
    "config",
)

_EPILOG = """\
exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 input not eligible (the reason is printed),
4 a peer could not be reached or refused
research use, not a medical device"""


def parser(only: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line; the documentation is generated from the whole of it.

    Args:
        only: verbs that are taken into memory.
    """
    top = argparse.ArgumentParser(
        prog="qsmnode",
        description="A DICOM node for quantitative susceptibility mapping.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"qsmnode {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in only:
        importlib.import_module(f"qsmnode.cli.{name}").add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    only = given[:1] if given and given[0] in VERBS else VERBS
    if only == ["run"]:
        _leave_decoders_out()
    arguments = parser(only).parse_args(given)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except QsmnodeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # whoever read our output has gone: nothing more to say, and nothing for the interpreter to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNEXPECTED
    except Exception as error:  # noqa: BLE001 - the outermost: whatever nobody expected
        # the stack without the message: a library's message may quote a patient's header
        traceback.print_tb(error.__traceback__)
        print(f"unexpected {type(error).__name__}; please report the lines above", file=sys.stderr)
        return EXIT_UNEXPECTED


def _leave_decoders_out() -> None:
    """The node's own process decodes no pixels, its jobs do; this decoder takes 18 MB as soon as it may."""
    sys.modules.setdefault("gdcm", None)  # type: ignore[arg-type]  # None: whoever tries to import it is told no
