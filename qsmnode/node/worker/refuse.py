"""The computation of a refusal: a header of the acquisition and the reasons become a report and a page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from qsmnode.dicom.frames import views
from qsmnode.dicom.instance import Instance
from qsmnode.dicom.reading import read_header
from qsmnode.dicom.template import template_of
from qsmnode.errors import Finding
from qsmnode.node.worker import folder as job_folder
from qsmnode.node.worker.made import made
from qsmnode.products import refusal_page, refusal_report
from qsmnode.products.refusal import RefusalContext, SourceName


def refuse(folder: Path, order: job_folder.Order) -> job_folder.Result:
    """Make both objects; pixels are never read.

    Raises:
        UnreadableDicom: the header is damaged.
        NotEligible: it names no study.
    """
    headers = [Instance.from_json(text) for text in job_folder.read_headers(folder)]
    # the same one on every try and in any order of arrival
    first = min(range(len(headers)), key=lambda number: headers[number].sop_instance_uid)
    header = read_header(job_folder.input_path(folder, first))
    context = RefusalContext(
        template=template_of(next(iter(views(header.dataset)))),
        sources=tuple(
            SourceName(one.sop_class_uid, one.sop_instance_uid, one.series_uid)
            for one in sorted(headers, key=lambda one: one.sop_instance_uid)
        ),
        findings=tuple(Finding(**finding) for finding in order.findings),
        description=order.description,
        content_sha256=order.content,
        created_at=datetime.fromtimestamp(order.created_at).astimezone(),
        node=order.node,
    )
    output = folder / job_folder.OUTPUT
    products = tuple(
        made(module.build(context), module.NAME, module.series_uid(context), output)
        for module in (refusal_report, refusal_page)
    )
    return job_folder.Result(products=products, facts={"findings": list(map(str, context.findings))})
