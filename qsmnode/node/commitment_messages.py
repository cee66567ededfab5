"""What N-ACTION and N-EVENT-REPORT of storage commitment do to the ledger, and the status that answers them.

They come in on the receiver's associations and on those that this node opens: the same happens on both.
"""

from __future__ import annotations

import logging
import sqlite3

from qsmnode.errors import PeerError
from qsmnode.ledger.promises import PromiseRow
from qsmnode.ledger.store import Store
from qsmnode.node.wire import command, status
from qsmnode.node.wire.command import Command
from qsmnode.node.wire.commitment import (
    ALL_COMMITTED,
    REQUEST,
    SOME_FAILED,
    TooMany,
    decode_demand,
    decode_report,
    encode_report,
)
from qsmnode.node.wire.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE

_log = logging.getLogger(__name__)
MOST_OPEN = 1000
"""Requests of one peer that wait for their report; one more has to come again later."""


def take_report(store: Store, peer: str, received: Command, data: bytes, transfer_syntax: str) -> int:
    """Keep a peer's report of what it answers for, durable before it is answered.

    Args:
        store: where the request stands.
        peer: who reports; only its own requests are answered by it.
        received: the command.
        data: its data set.
        transfer_syntax: of which.

    Returns:
        The status to answer with.
    """
    if command.number(received, command.COMMAND_FIELD) != command.N_EVENT_REPORT_RQ:
        return status.UNRECOGNISED_OPERATION
    wrong = _wrong_object(received, command.AFFECTED_SOP_CLASS, command.AFFECTED_SOP_INSTANCE)
    if wrong is not None:
        return wrong
    if received.get(command.EVENT_TYPE) not in (ALL_COMMITTED, SOME_FAILED):
        return status.NO_SUCH_EVENT
    try:
        report = decode_report(data, transfer_syntax)
        news = store.commitments.report(peer, report.transaction_uid, report.verdicts)
    except PeerError as error:
        _log.warning("%s: %s", peer, error)
        return status.INVALID_ARGUMENT
    except sqlite3.Error as error:
        _log.error("a report of %s could not be kept: %s", peer, error)
        return status.PROCESSING_FAILURE
    if news is None:
        _log.warning("%s reports on transaction %s, for which it was not asked", peer, report.transaction_uid)
        return status.INVALID_ARGUMENT
    return status.SUCCESS


def take_demand(
    store: Store, peer: str, received: Command, data: bytes, transfer_syntax: str, next_try_at: float
) -> tuple[int, int | None]:
    """Note a peer's request to keep what it sent, durable before it is answered.

    Args:
        store: where it is noted.
        peer: who asks.
        received: the command.
        data: its data set.
        transfer_syntax: of which.
        next_try_at: on an association of this node's own the report is sent not before.

    Returns:
        The status to answer with, and the promise's row where that is success.
    """
    wrong = _wrong_object(received, command.REQUESTED_SOP_CLASS, command.REQUESTED_SOP_INSTANCE)
    if wrong is not None:
        return wrong, None
    if received.get(command.ACTION_TYPE) != REQUEST:
        return status.NO_SUCH_ACTION, None
    try:
        if store.promises.open(peer) >= MOST_OPEN:
            raise TooMany(f"more than {MOST_OPEN} storage commitment requests that wait for their report")
        demand = decode_demand(data, transfer_syntax)
        promise = store.promises.ask(peer, demand.transaction_uid, demand.objects, next_try_at)
    except TooMany as error:
        _log.warning("%s: %s", peer, error)
        return status.RESOURCE_LIMITATION, None
    except PeerError as error:
        _log.warning("%s: %s", peer, error)
        return status.INVALID_ARGUMENT, None
    except sqlite3.Error as error:
        _log.error("a storage commitment request of %s could not be kept: %s", peer, error)
        return status.PROCESSING_FAILURE, None
    if promise is None:
        _log.warning("%s uses transaction %s for another request again", peer, demand.transaction_uid)
        return status.INVALID_ARGUMENT, None
    return status.SUCCESS, promise


def report_of(store: Store, row: PromiseRow, transfer_syntax: str) -> tuple[dict[int, command.Value], bytes]:
    """Command and data set of the report on a request that was checked."""
    objects = [
        (item.sop_class_uid, item.sop_instance_uid, _code(item.failure))
        for item in store.promises.objects_of(row.id)
    ]
    event, data = encode_report(row.transaction_uid, objects, transfer_syntax)
    fields: dict[int, command.Value] = {
        command.COMMAND_FIELD: command.N_EVENT_REPORT_RQ,
        command.AFFECTED_SOP_CLASS: STORAGE_COMMITMENT,
        command.AFFECTED_SOP_INSTANCE: STORAGE_COMMITMENT_INSTANCE,
        command.EVENT_TYPE: event,
    }
    return fields, data


def _wrong_object(received: Command, sop_class: int, sop_instance: int) -> int | None:
    """The status where a message is not about the one object that stands for storage commitment."""
    if command.text(received, sop_class) != STORAGE_COMMITMENT:
        return status.NO_SUCH_CLASS
    if command.text(received, sop_instance) != STORAGE_COMMITMENT_INSTANCE:
        return status.NO_SUCH_OBJECT
    return None


def _code(failure: int | None) -> int:
    return status.PROCESSING_FAILURE if failure is None else failure
