"""From the rows of one study to what there is to decide about: pure, apart from asking who sent what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qsmnode.config import Config, Route
from qsmnode.dicom.acceptance import header_findings, rejections
from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import Instance
from qsmnode.ledger.instances import InstanceRow
from qsmnode.node.assembler.adoption import IGNORED_PREFIX
from qsmnode.node.assembler.verdict import Look, Routing
from qsmnode.node.facts import routing_facts
from qsmnode.node.router import Outcome, RoutingFacts, decide

Callers = Callable[[Iterable[int]], tuple[frozenset[str], bool]]
_NO_ROUTING = Routing("no_match", None, "")


@dataclass(frozen=True)
class Candidate:
    """Something to decide about: an acquisition, or images of one series that can never be one."""

    key: str
    description: str
    members: tuple[InstanceRow, ...]
    look: Look


def candidates(
    rows: Sequence[InstanceRow], headers: Mapping[int, Instance], config: Config, callers: Callers
) -> Iterator[Candidate]:
    """Everything in one study that a decision is due about, in a stable order.

    Args:
        rows: the study's indexed instances.
        headers: their headers by row id.
        config: its routes, in order, and its limits of acceptance.
        callers: who sent these instances, and whether all of those associations have ended.
    """
    by_uid = {row.sop_instance_uid: row for row in rows}
    grouping = group([headers[row.id] for row in rows])
    for acquisition in grouping.acquisitions:
        members = tuple(by_uid[uid] for uid in acquisition.sop_instance_uids)
        own = [headers[row.id] for row in members]
        yield Candidate(
            acquisition.key,
            acquisition.description,
            members,
            _look(acquisition, own, members, config, callers),
        )
    yield from _ignored(grouping.ignored, by_uid, headers)


def _look(
    acquisition: Acquisition,
    headers: Sequence[Instance],
    members: Sequence[InstanceRow],
    config: Config,
    callers: Callers,
) -> Look:
    calling_aes, gone = callers(row.id for row in members)
    whole = assess(acquisition)
    keywords = [header.keywords for header in headers]
    finally_ = _routing(routing_facts(acquisition, keywords, calling_aes, final=True), config.routes)
    findings = header_findings(acquisition, headers, config.acceptance_on(finally_.route))
    return Look(
        held=acquisition.held or "",
        ignored=acquisition.ignored or "",
        completeness=whole.state,
        missing=whole.missing,
        has_phase=bool(set(acquisition.kinds) & {"phase", "real", "imaginary"}),
        so_far=_routing(routing_facts(acquisition, keywords, calling_aes, final=False), config.routes),
        finally_=finally_,
        senders_gone=gone,
        last_arrival=max(row.received_at for row in members),
        held_check=acquisition.held_check,
        for_good=acquisition.held_for_good,
        # a better reconstruction of the phase may follow in a series of its own
        all_here=whole.all_here and acquisition.held_check != "filtered_phase",
        rejected=rejections(findings),
    )


def _routing(facts: RoutingFacts, routes: Sequence[Route]) -> Routing:
    decision = decide(facts, routes)
    open_ = (one.route for one in decision.routes if one.outcome is Outcome.CANNOT_TELL)
    may_take = next(open_, None) if decision.outcome is Outcome.CANNOT_TELL else decision.route
    return Routing(str(decision.outcome), decision.route, decision.reason, may_take)


def _ignored(
    ignored: Iterable[tuple[str, str]], by_uid: Mapping[str, InstanceRow], headers: Mapping[int, Instance]
) -> Iterator[Candidate]:
    """One entry per series and reason, so that what was sent and is not used can be seen."""
    heaps: dict[tuple[str, str], list[InstanceRow]] = {}
    for uid, reason in ignored:
        row = by_uid[uid]
        heaps.setdefault((headers[row.id].series_uid, reason), []).append(row)
    for (series_uid, reason), members in sorted(heaps.items()):
        look = Look(
            held="",
            ignored=reason,
            completeness="incomplete",
            missing=(),
            has_phase=False,
            so_far=_NO_ROUTING,
            finally_=_NO_ROUTING,
            senders_gone=False,
            last_arrival=max(row.received_at for row in members),
        )
        noun = "image" if len(members) == 1 else "images"
        yield Candidate(
            f"{IGNORED_PREFIX}{series_uid}:{reason}",
            f"{len(members)} {noun} of a series",
            tuple(members),
            look,
        )
