"""Writes the pages of this folder that follow from the program: cli.md, conformance.md and engine.md.

`.venv/bin/python docs/generate.py` writes them; with `--check` it only names those that are out of date, and
exits with 1. The words of the last two stand in conformance.md.in and engine.md.in; their numbers and tables
come from the code.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import engine_tables
import numpy as np
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, UID_dictionary
from tables import block, table

from qsmnode import __version__
from qsmnode.cli import parser
from qsmnode.config import CommitmentSettings, Config, DeliverySettings, DicomPeer, LimitSettings, WebPeer
from qsmnode.config.tls import TLS_PORT
from qsmnode.dicom.source import ImageReference, SliceSource, Source
from qsmnode.engine import EchoStack, Grid, Recipe
from qsmnode.engine.contrasts import UNITS
from qsmnode.engine.types import Maps
from qsmnode.errors import Finding
from qsmnode.measure import structures
from qsmnode.measure.statistics import whole_brain
from qsmnode.node.sender.circuit import FAILURES
from qsmnode.node.sender.decide import Outcome, judge
from qsmnode.node.sender.to_archive import OBJECTS_PER_ASSOCIATION
from qsmnode.node.wire import acse, status, uids
from qsmnode.node.wire.commitment import MOST_OBJECTS
from qsmnode.node.wire.connection import MAX_PDU
from qsmnode.products import codes, refusal_page, refusal_report
from qsmnode.products.context import ProductContext
from qsmnode.products.patient import patient_and_study
from qsmnode.products.refusal import RefusalContext, SourceName
from qsmnode.products.registry import PRODUCTS

_HERE = Path(__file__).resolve().parent
_GENERATED = "<!-- Made by docs/generate.py: change the program, or the page's .in, and run it again. -->\n"
_OUTCOMES = {
    Outcome.ACKNOWLEDGED: "the object is stored; the next one follows",
    Outcome.REFUSED: "refused for good: the other objects are sent, then the delivery is parked",
    Outcome.LATER: "the association is closed; tried again after the back-off",
}


def command_line() -> str:
    """docs/cli.md."""
    top = parser()
    verbs = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {choice.dest: choice.help for choice in verbs._choices_actions}
    return "\n".join(
        [
            _GENERATED,
            "# Command line\n",
            f"{top.description}\n",
            *table(
                ("verb", "what it does"),
                ((f"[`{name}`](#qsmnode-{name})", summaries[name] or "") for name in verbs.choices),
            ),
            "",
            "Errors go to standard error; what scripts read goes to standard output. Progress is a bar on a",
            "terminal and plain lines elsewhere.\n",
            "```text",
            str(top.epilog),
            "```",
            *(line for name, verb in verbs.choices.items() for line in _verb(name, verb)),
        ]
    )


def _verb(name: str, verb: argparse.ArgumentParser) -> Iterator[str]:
    yield f"\n## qsmnode {name}\n"
    yield f"```sh\n{_usage(name, verb)}\n```\n"
    yield f"{verb.description}"
    rows = [(_spelling(action), action.help or "") for action in _own(verb)]
    if rows:
        yield ""
        yield from table(("argument", "meaning"), rows)


def _own(verb: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in verb._actions if not isinstance(action, argparse._HelpAction)]


def _usage(name: str, verb: argparse.ArgumentParser) -> str:
    exclusive = {
        id(action): group for group in verb._mutually_exclusive_groups for action in group._group_actions
    }
    options, arguments, seen = [], [], set()
    for action in _own(verb):
        group = exclusive.get(id(action))
        if group is not None:
            if id(group) not in seen:
                options.append("[" + " | ".join(_short(one) for one in group._group_actions) + "]")
            seen.add(id(group))
        elif action.option_strings:
            options.append(_short(action) if action.required else f"[{_short(action)}]")
        else:
            value = _value(action)
            arguments.append({"+": f"{value}...", "?": f"[{value}]"}.get(str(action.nargs), value))
    return " ".join(["qsmnode", name, *options, *arguments])


def _short(action: argparse.Action) -> str:
    return f"{action.option_strings[0]} {_value(action)}".rstrip()


def _spelling(action: argparse.Action) -> str:
    return f"`{', '.join(action.option_strings)} {_value(action)}`".replace("` ", "`").replace(" `", "`")


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    return "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()


def conformance() -> str:
    """docs/conformance.md: the words of conformance.md.in with the program's own values."""
    return _filled("conformance.md.in", _FIELDS)


def engine_page() -> str:
    """docs/engine.md: the words of engine.md.in with what the engine says of itself."""
    return _filled("engine.md.in", engine_tables.FIELDS)


def _filled(template_name: str, fields: Mapping[str, Callable[[], str]]) -> str:
    template = (_HERE / template_name).read_text(encoding="utf-8")
    made = {name: build() for name, build in fields.items()}
    wanted = set(re.findall(r"\{\{(\w+)\}\}", template))
    if wanted != set(made):
        raise SystemExit(f"{template_name} and generate.py differ in {sorted(wanted ^ set(made))}")
    return _GENERATED + re.sub(r"\{\{(\w+)\}\}", lambda found: made[found[1]], template)


def _storage_classes() -> str:
    """What pydicom's dictionary names and the receiver accepts; private ones cannot be listed."""
    known = [
        (facts[0], uid)
        for uid, facts in UID_dictionary.items()
        if facts[1] == "SOP Class" and facts[3] != "Retired" and uids.is_storage(uid)
    ]
    return block(("SOP class", "UID"), ((name, f"`{uid}`") for name, uid in sorted(known)))


def _transfer_syntaxes() -> str:
    rows = ((UID(uid).name, f"`{uid}`", why) for uid, why in uids.ACCEPTED_TRANSFER_SYNTAXES.items())
    return block(("transfer syntax, in order of preference", "UID", "why"), rows)


def _rejections() -> str:
    cases = (
        (acse.PROTOCOL_UNKNOWN, "a protocol version other than 1"),
        (acse.APPLICATION_CONTEXT_UNKNOWN, "an application context other than DICOM's"),
        (acse.CALLED_UNKNOWN, "the called AE title is not `node.ae_title`"),
        (acse.CALLING_UNKNOWN, "the calling AE title is not listed, or is listed with another address"),
        (acse.TOO_MANY, "`limits.max_associations` are open, or this address takes most of them"),
    )
    rows = ((str(r.result), str(r.source), str(r.reason), when, str(r)) for r, when in cases)
    return block(("result", "source", "reason", "when", "in words"), rows)


def _receiver_statuses() -> str:
    cases = (
        (status.SUCCESS, "the object and its row in the ledger are on disk; also where it was here already"),
        (
            status.OUT_OF_RESOURCES,
            "less than `limits.disk_reserve_mb` or `limits.disk_reserve_percent` is free, or the disk or the"
            " ledger cannot be written: nothing is kept, the sender should send it again later",
        ),
        (status.INVALID_INSTANCE, "the Affected SOP Instance UID is not a UID"),
        (status.CLASS_NOT_SUPPORTED, "the Affected SOP Class UID is not the one of the presentation context"),
        (status.NOT_UNDERSTOOD, "a C-STORE without a data set"),
        (status.UNRECOGNISED_OPERATION, "an operation other than C-ECHO and C-STORE"),
    )
    return block(("status", "when"), ((status.describe(code), when) for code, when in cases))


def _commitment_reasons() -> str:
    cases = (
        (status.NO_SUCH_OBJECT, "nothing is here under this SOP Instance UID, or it was purged"),
        (status.CLASS_CONFLICT, "what is here under it has another SOP class"),
        (status.PROCESSING_FAILURE, "its file is missing, or is not what was acknowledged"),
    )
    return block(("failure reason", "when"), ((status.describe(code), when) for code, when in cases))


def _commitment_statuses() -> str:
    cases = (
        (status.SUCCESS, "the request, or the report, is kept"),
        (status.INVALID_ARGUMENT, "it cannot be read, or its transaction UID is in use, or unknown"),
        (status.NO_SUCH_ACTION, "another action type than 1"),
        (status.NO_SUCH_EVENT, "another event type than 1 and 2"),
        (status.NO_SUCH_CLASS, "another SOP class"),
        (status.NO_SUCH_OBJECT, "another SOP instance than the well-known one"),
        (status.RESOURCE_LIMITATION, "a request for more objects"),
        (status.PROCESSING_FAILURE, "the ledger cannot be written"),
        (status.UNRECOGNISED_OPERATION, "another operation, or a request where `commitment.provide` is off"),
    )
    return block(("status", "when"), ((status.describe(code), when) for code, when in cases))


def _commitment() -> str:
    names = ("timeout_s", "rounds", "linger_s", "archive_interval_s")
    return _settings("commitment", CommitmentSettings, names)


def _sender_statuses() -> str:
    spans: dict[Outcome, list[tuple[int, int]]] = {outcome: [] for outcome in _OUTCOMES}
    for code in range(0x10000):
        found = spans[judge(code)]
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    rows = (
        (", ".join(_span(*each) for each in found), _OUTCOMES[outcome]) for outcome, found in spans.items()
    )
    return block(("status", "what follows"), rows)


def _span(first: int, last: int) -> str:
    return f"0x{first:04X}" + ("" if first == last else f" to 0x{last:04X}")


def _limits() -> str:
    return _settings("limits", LimitSettings, tuple(LimitSettings.model_fields))


def _delivery() -> str:
    return _settings("delivery", DeliverySettings, tuple(DeliverySettings.model_fields))


def _settings(
    section: str, model: type[LimitSettings | DeliverySettings | CommitmentSettings], names: Iterable[str]
) -> str:
    fields = ((name, model.model_fields[name]) for name in names)
    rows = ((f"`{section}.{name}`", f"{field.default:g}", str(field.description)) for name, field in fields)
    return block(("setting", "default", "meaning"), rows)


def _products() -> str:
    rows = []
    context = _sample()
    shared = patient_and_study(context.source.template)
    samples = {product.name: product.build(context)[0] for product in PRODUCTS.values()}
    refused = _refusal(context.source.template)
    samples |= {made.NAME: made.build(refused)[0] for made in (refusal_report, refusal_page)}
    for name, sample in samples.items():
        rows.append(
            (
                f"`{name}`",
                f"{UID(sample.SOPClassUID).name} `{sample.SOPClassUID}`",
                str(sample.Modality),
                str(sample.SeriesDescription),
                ", ".join(sorted(e.keyword for e in sample if e.keyword and e.keyword not in shared)),
            )
        )
    lines = [block(("product", "SOP class", "modality", "SeriesDescription"), (row[:4] for row in rows))]
    lines += [
        f"Attributes of `{row[0].strip('`')}`, beyond those of patient and study: {row[4]}." for row in rows
    ]
    return "\n\n".join(lines)


def _sample() -> ProductContext:
    """The smallest thing that products can be made of, of nobody."""
    grid = Grid(shape=(4, 4, 2), voxel_mm=(1.0, 1.0, 1.0))
    array = np.ones((2, *grid.shape), np.float32)
    mask = np.ones(grid.shape, np.bool_)
    chi = np.zeros(grid.shape, np.float32)
    template = Dataset()
    template.StudyInstanceUID = template.FrameOfReferenceUID = template.SeriesInstanceUID = "2.25.1"
    template.SeriesNumber = 1
    source = Source(
        stack=EchoStack(array, np.zeros_like(array), (0.01, 0.02), 123.2, grid),
        slices=tuple(
            SliceSource(
                (0.0, 0.0, z),
                (ImageReference(MRImageStorage, f"2.25.{2 + z:.0f}", None, "phase", 1, "2.25.1"),),
            )
            for z in (0.0, 1.0)
        ),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(1.0, 1.0),
        slice_thickness_mm=1.0,
        slice_spacing_mm=1.0,
        template=template,
        content_sha256="0" * 64,
        warnings=(),
    )
    images = dict.fromkeys(UNITS, chi)
    maps = Maps(chi, mask, chi, chi, chi, grid, {}, "the whole brain", images)
    measured = whole_brain(maps)
    return ProductContext(
        source=source,
        maps=maps,
        measurements=() if measured is None else (measured,),
        recipe=Recipe.preset("default"),
        created_at=datetime(2000, 1, 1, tzinfo=UTC),
    )


def _refusal(template: Dataset) -> RefusalContext:
    """The smallest refusal, of nobody."""
    return RefusalContext(
        template=template,
        sources=(SourceName(MRImageStorage, "2.25.2", "2.25.1"),),
        findings=(Finding("gaps", "reject", "none", "gaps"),),
        description="a sample",
        content_sha256="0" * 64,
        created_at=datetime(2000, 1, 1, tzinfo=UTC),
    )


def _used_codes() -> list[Code]:
    plain = (code for code in vars(codes).values() if isinstance(code, Code))
    private = (*codes.REASONS.values(), *codes.REGION_ISSUES.values(), *structures.STRUCTURES.values())
    return list(dict.fromkeys((*plain, *private)))


def _codes() -> str:
    used = _used_codes()
    rows = ((f"`{code.value}`", code.scheme_designator, code.meaning) for code in used)
    return block(("code", "scheme", "meaning"), rows)


def _private_schemes() -> str:
    """A scheme of this program's own would begin with 99 (PS3.16 section 8)."""
    used = [code.scheme_designator for code in _used_codes()]
    return ", ".join(sorted({scheme for scheme in used if scheme.startswith("99")})) or "none"


_FIELDS: dict[str, Callable[[], str]] = {
    "version": lambda: __version__,
    "implementation_class": lambda: uids.IMPLEMENTATION_CLASS,
    "implementation_version": lambda: uids.IMPLEMENTATION_VERSION,
    "max_pdu": lambda: str(MAX_PDU),
    "application_context": lambda: uids.APPLICATION_CONTEXT,
    "verification": lambda: uids.VERIFICATION,
    "default_ae_title": lambda: str(Config.model_validate({"peers": {}, "routes": []}).node.ae_title),
    "default_tls_port": lambda: str(TLS_PORT),
    "default_associations": lambda: str(DicomPeer.model_fields["associations"].default),
    "batches": lambda: " and ".join(str(WebPeer.model_fields[k].default) for k in ("batch", "batch_mb")),
    "objects_per_association": lambda: str(OBJECTS_PER_ASSOCIATION),
    "failures": lambda: str(FAILURES),
    "default_port": lambda: str(Config.model_validate({"peers": {}, "routes": []}).node.port),
    "product_transfer_syntax": lambda: f"{ExplicitVRLittleEndian.name} (`{ExplicitVRLittleEndian}`)",
    "storage_classes": _storage_classes,
    "transfer_syntaxes": _transfer_syntaxes,
    "rejections": _rejections,
    "receiver_statuses": _receiver_statuses,
    "commitment": _commitment,
    "commitment_reasons": _commitment_reasons,
    "commitment_statuses": _commitment_statuses,
    "most_committed": lambda: f"{MOST_OBJECTS:,}",
    "unknown_transaction": lambda: status.describe(status.INVALID_ARGUMENT),
    "sender_statuses": _sender_statuses,
    "limits": _limits,
    "delivery": _delivery,
    "products": _products,
    "private_schemes": _private_schemes,
    "codes": _codes,
}

PAGES: dict[str, Callable[[], str]] = {
    "cli.md": command_line,
    "conformance.md": conformance,
    "engine.md": engine_page,
}


def main(argv: Sequence[str] | None = None, folder: Path = _HERE) -> int:
    """Write the pages into ``folder``, or compare those that are there."""
    options = argparse.ArgumentParser(description="Write the generated pages of docs.")
    options.add_argument("--check", action="store_true", help="only name the pages that are out of date")
    check: bool = options.parse_args(argv).check
    stale = []
    for name, build in PAGES.items():
        path, text = folder / name, build().rstrip("\n") + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
