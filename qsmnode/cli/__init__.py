"""The command line: verbs only, no logic.

Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 input not eligible, 4 a peer not reached.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from qsmnode import __version__
from qsmnode.cli import (
    backup,
    cancel,
    check,
    config,
    demo,
    echo,
    explain,
    jobs,
    methods,
    purge,
    reconstruct,
    retry,
    run,
    send,
)
from qsmnode.errors import EXIT_UNEXPECTED, QsmnodeError

VERBS = (
    run,
    demo,
    check,
    explain,
    reconstruct,
    send,
    echo,
    jobs,
    retry,
    cancel,
    purge,
    backup,
    methods,
    config,
)

_EPILOG = """\
exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 input not eligible (the reason is printed),
4 a peer could not be reached or refused
research use, not a medical device"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; the documentation is generated from it."""
    top = argparse.ArgumentParser(
        prog="qsmnode",
        description="A DICOM node for quantitative susceptibility mapping.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"qsmnode {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in VERBS:
        module.add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code."""
    arguments = parser().parse_args(argv)
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
