"""The whole configuration of one node."""

from __future__ import annotations

from pydantic import Field

from qsmnode.config.acceptance import AcceptanceSettings
from qsmnode.config.assembly import AssemblySettings
from qsmnode.config.audit import AuditSettings
from qsmnode.config.commitment import CommitmentSettings
from qsmnode.config.delivery import DeliverySettings
from qsmnode.config.jobs import JobSettings
from qsmnode.config.limits import LimitSettings
from qsmnode.config.node import NodeSettings
from qsmnode.config.page import PageSettings
from qsmnode.config.peers import DicomPeer, Peer
from qsmnode.config.retention import RetentionSettings
from qsmnode.config.routes import Route
from qsmnode.config.series import SeriesSettings
from qsmnode.config.values import Settings


class Config(Settings):
    """The configuration of one node; every part is immutable."""

    node: NodeSettings = Field(
        default_factory=lambda: NodeSettings.model_validate({}),
        description="Who this node is, where it listens and where it keeps things.",
    )
    peers: dict[str, Peer] = Field(
        description="Other ends by name; only DICOM peers that are listed here may associate."
    )
    routes: tuple[Route, ...] = Field(
        description="What is done with which acquisition; the first route that matches wins."
    )
    assembly: AssemblySettings = Field(
        default_factory=lambda: AssemblySettings.model_validate({}),
        description="When an acquisition counts as arrived.",
    )
    acceptance: AcceptanceSettings = Field(
        default_factory=AcceptanceSettings.default,
        description="What an acquisition must be like, and what follows where it is not.",
    )
    limits: LimitSettings = Field(
        default_factory=lambda: LimitSettings.model_validate({}),
        description="How much of the machine and of its patience a sender may take.",
    )
    jobs: JobSettings = Field(
        default_factory=lambda: JobSettings.model_validate({}), description="How reconstructions run."
    )
    delivery: DeliverySettings = Field(
        default_factory=lambda: DeliverySettings.model_validate({}),
        description="How results are sent, and sent again.",
    )
    commitment: CommitmentSettings = Field(
        default_factory=lambda: CommitmentSettings.model_validate({}),
        description="Storage commitment: how archives are asked for it, and whether this node gives it.",
    )
    retention: RetentionSettings = Field(
        default_factory=lambda: RetentionSettings.model_validate({}),
        description="How long images and results are kept once nobody needs them here.",
    )
    page: PageSettings = Field(
        default_factory=lambda: PageSettings.model_validate({}),
        description="What a site chooses of the one-page summary, the product `page`.",
    )
    series: dict[str, SeriesSettings] = Field(
        default_factory=dict,
        description="How the series of images present themselves, by product: for hanging protocols.",
    )
    audit: AuditSettings = Field(
        default_factory=lambda: AuditSettings.model_validate({}),
        description="The trail of who sent, received, deleted and was refused.",
    )

    def acceptance_on(self, route: str | None) -> AcceptanceSettings:
        """The limits that hold on a route, by its name; None: where no route states others."""
        named = next((each for each in self.routes if each.name == route), None)
        return self.acceptance.overridden_by(named.acceptance if named else None)

    def senders(self) -> dict[str, DicomPeer]:
        """The peers whose images are accepted, by name."""
        return {n: p for n, p in self.peers.items() if isinstance(p, DicomPeer) and p.may_send}
