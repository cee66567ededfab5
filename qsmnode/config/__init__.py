"""Strict YAML in, one frozen ``Config`` out, or every mistake at once with file, line and column."""

from qsmnode.config.acceptance import AcceptanceSettings, SeveritySettings
from qsmnode.config.assembly import AssemblySettings
from qsmnode.config.commitment import CommitmentSettings
from qsmnode.config.delivery import DeliverySettings
from qsmnode.config.jobs import JobSettings
from qsmnode.config.limits import LimitSettings
from qsmnode.config.load import default_text, load, load_text, schema
from qsmnode.config.match import (
    AcquisitionMatch,
    AllCondition,
    AnyCondition,
    Condition,
    CountRange,
    Match,
    NotCondition,
    Range,
    RangeCondition,
    RegexCondition,
)
from qsmnode.config.node import NodeSettings
from qsmnode.config.page import PageSettings
from qsmnode.config.peers import DicomPeer, FolderPeer, Peer, WebPeer
from qsmnode.config.regions import RegionFolder, RegionProgram, Regions
from qsmnode.config.routes import Route
from qsmnode.config.series import SeriesSettings
from qsmnode.config.site import Config
from qsmnode.config.tls import ClientTls, NodeTls, PeerTls

__all__ = [
    "AcceptanceSettings",
    "AcquisitionMatch",
    "AllCondition",
    "AnyCondition",
    "AssemblySettings",
    "ClientTls",
    "CommitmentSettings",
    "Condition",
    "Config",
    "CountRange",
    "DeliverySettings",
    "DicomPeer",
    "FolderPeer",
    "JobSettings",
    "LimitSettings",
    "Match",
    "NodeSettings",
    "NodeTls",
    "NotCondition",
    "PageSettings",
    "Peer",
    "PeerTls",
    "Range",
    "RangeCondition",
    "RegexCondition",
    "RegionFolder",
    "RegionProgram",
    "Regions",
    "Route",
    "SeriesSettings",
    "SeveritySettings",
    "WebPeer",
    "default_text",
    "load",
    "load_text",
    "schema",
]
