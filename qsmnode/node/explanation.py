"""Why images take the route they take: the node's own decisions, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qsmnode.config import Config
from qsmnode.config.regions import as_plain
from qsmnode.config.regions import in_words as regions_in_words
from qsmnode.dicom.acceptance import header_findings, rejections
from qsmnode.dicom.acquisition import Acquisition
from qsmnode.dicom.completeness import assess
from qsmnode.errors import Finding
from qsmnode.node.facts import routing_facts
from qsmnode.node.offline import Found, reason_against
from qsmnode.node.router import decide


def explain(found: Found, config: Config, calling_ae: str | None) -> dict[str, Any]:
    """Plain values: acquisitions with route, reason and what is missing; ignored images; unreadable files."""
    callers = None if calling_ae is None else frozenset([calling_ae])
    return {
        "acquisitions": [
            _acquisition(found, acquisition, config, callers) for acquisition in found.grouping.acquisitions
        ],
        "ignored": _counted(found),
        "unreadable": [{"file": str(path), "reason": reason} for path, reason in found.unreadable],
    }


def _acquisition(
    found: Found, acquisition: Acquisition, config: Config, callers: frozenset[str] | None
) -> dict[str, Any]:
    members = found.members(acquisition)
    keywords = [member.keywords for member in members]
    decision = decide(routing_facts(acquisition, keywords, callers, final=True), config.routes)
    limits = config.acceptance_on(decision.route)
    findings = () if acquisition.ignored else header_findings(acquisition, members, limits)
    whole = assess(acquisition)
    taken = next((route for route in config.routes if route.name == decision.route), None)
    return {
        "description": acquisition.description,
        "instances": len(members),
        "kinds": sorted(acquisition.kinds),
        "echo_times_ms": [round(1000 * time, 4) for time in acquisition.echo_times_s],
        "route": decision.route,
        "regions": "" if taken is None else regions_in_words(as_plain(taken.regions)),
        "outcome": str(decision.outcome),
        "reason": decision.reason,
        "routes": [
            {
                "route": finding.route,
                "outcome": str(finding.outcome),
                "predicates": [str(each) for each in finding.predicates],
            }
            for finding in decision.routes
        ],
        "completeness": whole.state,
        "missing": list(whole.missing),
        "findings": [vars(finding) for finding in findings],
        "obstacle": reason_against(acquisition, whole) or "; ".join(map(str, rejections(findings))),
    }


def _counted(found: Found) -> list[dict[str, Any]]:
    """Images that are no QSM source, per series and reason."""
    counts: dict[tuple[str, str, str], int] = {}
    for uid, reason in found.grouping.ignored:
        header = found.headers[uid]
        description = str(next(iter(header.keywords.get("SeriesDescription", ())), ""))
        key = (header.series_uid, description, reason)
        counts[key] = counts.get(key, 0) + 1
    return [
        {"series_uid": series, "series_description": description, "images": count, "reason": reason}
        for (series, description, reason), count in counts.items()
    ]


def in_words(explanation: dict[str, Any]) -> Iterator[str]:
    """The same for people, line by line."""
    for item in explanation["acquisitions"]:
        yield f"acquisition: {item['description']}"
        yield f"  {item['reason']}"
        if item["regions"]:
            yield f"  regions of interest: {item['regions']}"
        for route in item["routes"]:
            yield f"    route {route['route']}: {route['outcome'].replace('_', ' ')}"
            for predicate in route["predicates"]:
                yield f"      {predicate}"
        for finding in item["findings"]:
            yield f"  {finding['severity']}: {Finding(**finding)}"
        yield f"  {_state(item)}"
    for item in explanation["ignored"]:
        name = f" ({item['series_description']})" if item["series_description"] else ""
        noun = "image" if item["images"] == 1 else "images"
        yield f"ignored: {item['images']} {noun} of series {item['series_uid']}{name}: {item['reason']}"
    for item in explanation["unreadable"]:
        yield f"not read: {item['file']}: {item['reason'].removeprefix(Path(item['file']).name + ': ')}"
    if not any(explanation.values()):
        yield "nothing was found"


def _state(item: dict[str, Any]) -> str:
    if item["obstacle"]:
        return f"cannot be reconstructed: {item['obstacle']}"
    if item["completeness"] == "undeclared":
        return (
            "whole as far as can be seen; its headers declare no count, so a node waits for the settling time"
        )
    return "complete: every image that its headers declare is here"
