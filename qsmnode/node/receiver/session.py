"""One association from the receiver's side: handshake, commands, data sets, answers, end."""

from __future__ import annotations

import logging
import sqlite3
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from qsmnode.errors import PeerError
from qsmnode.node.receiver.addresses import Addresses
from qsmnode.node.receiver.admission import Refused, admit, negotiate, refused_syntaxes
from qsmnode.node.receiver.commitment import LOOK_S, Commitments, Gathered, Offers
from qsmnode.node.receiver.door import Door
from qsmnode.node.receiver.intake import Answer, Arrival, Described, Intake, Refusal
from qsmnode.node.receiver.settings import ListedPeer, ReceiverSettings
from qsmnode.node.receiver.shelf import Shelf
from qsmnode.node.wire import acse, command, status
from qsmnode.node.wire.command import Command
from qsmnode.node.wire.connection import MAX_PDU, Connection, fragments
from qsmnode.node.wire.uids import STORAGE_COMMITMENT, VERIFICATION, is_uid, printable

_log = logging.getLogger(__name__)
_LONGEST_COMMAND = 65536
_LONGEST_COMMENT = 64  # VR LO
_LINGER_S = 2.0
_PROVIDER = 2


@dataclass(frozen=True)
class House:
    """What all associations share."""

    settings: ReceiverSettings
    intake: Intake
    door: Door
    addresses: Addresses
    turned_away: Callable[[str, str], None]


@dataclass(frozen=True)
class Context:
    """An accepted presentation context."""

    sop_class_uid: str
    transfer_syntax: str


@dataclass
class Request:
    """A request whose data set is still coming."""

    context_id: int
    command: Command
    data: Arrival | Refusal | Gathered


@dataclass
class Tally:
    """What came of an association's objects."""

    stored: int = 0
    refused: dict[int, int] = field(default_factory=dict)

    def count(self, answer: Answer) -> None:
        if answer.stored:
            self.stored += 1
        else:
            self.refused[answer.status] = self.refused.get(answer.status, 0) + 1

    def __str__(self) -> str:
        refused = ", ".join(f"{count} answered {status.describe(s)}" for s, count in self.refused.items())
        stored = "1 object stored" if self.stored == 1 else f"{self.stored} objects stored"
        return f"{stored}; {refused}" if refused else stored


class Session:
    """Serves one connection from its first byte to its last."""

    def __init__(
        self,
        house: House,
        connection: Connection,
        address: str,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._house = house
        self._tls = tls
        self._shelf = Shelf(house.intake.store)
        self._settings = house.settings
        self._connection = connection
        self._address = address
        self._peer: ListedPeer | None = None
        self._contexts: dict[int, Context] = {}
        self._command = bytearray()
        self._request: Request | None = None
        self._tally = Tally()
        self._commitments: Commitments | None = None
        self.association_id: int | None = None

    def serve(self) -> None:
        """Until the peer releases, aborts, goes away or breaks the protocol."""
        try:
            if self._open():
                self._answer_requests()
        except PeerError as error:
            self._broke_off(error)
        finally:
            if self._request is not None:
                self._request.data.discard()
            self._shelf.clear()
            if self._commitments is not None:
                self._commitments.end()
            if self._tally.stored or self._tally.refused:
                _log.info("%s: association ended: %s", self._name, self._tally)

    @property
    def _name(self) -> str:
        return self._peer.name if self._peer else self._address

    def _broke_off(self, error: PeerError) -> None:
        self._connection.abort(_PROVIDER)
        if self._peer is None:
            self._house.turned_away(self._address, str(error))
        elif self._request is not None or self._command:
            _log.warning("%s: association broke off in the middle of an object: %s", self._name, error)
        else:
            _log.info("%s: association broke off: %s", self._name, error)

    def _open(self) -> bool:
        """The handshake; whether there is an association now."""
        limit = self._settings.acse_timeout_s
        if self._tls is not None:
            self._connection.secure(self._tls(), limit)
        kind, payload = self._connection.read_pdu(limit, min(limit, self._settings.pdu_timeout_s))
        if kind != acse.ASSOCIATE_RQ:
            raise PeerError("the first bytes are no association request")
        proposal = acse.decode_proposal(bytes(payload))
        certificate = self._connection.peer_certificate
        admitted = admit(proposal, self._address, self._settings, self._house.addresses.belongs, certificate)
        if isinstance(admitted, Refused):
            return self._turn_away(admitted)
        if not self._house.door.associate(self._connection, self._address):
            return self._turn_away(Refused(acse.TOO_MANY, "limits.max_associations are open already"))
        self._peer = admitted
        offers = Offers(provide=self._settings.provide and admitted.may_send, asked=admitted.commitment)
        answers = negotiate(proposal, may_send=admitted.may_send, deflated=admitted.deflated)
        answers = offers.contexts(proposal, answers)
        self._commitments = self._begin_commitments(offers)
        for text in refused_syntaxes(proposal, answers):
            _log.warning("%s: %s", self._name, text)
        asked = {context.id: context.abstract_syntax for context in proposal.contexts}
        self._contexts = {
            answer.id: Context(asked[answer.id], answer.transfer_syntax)
            for answer in answers
            if answer.result == acse.ACCEPTED
        }
        self._connection.peer_max_pdu = proposal.max_pdu
        acceptance = acse.Acceptance(answers, MAX_PDU, roles=offers.roles(proposal))
        self._connection.send(acse.encode_acceptance(acceptance, proposal), limit)
        return True

    def _turn_away(self, refused: Refused) -> bool:
        self._connection.send(acse.encode_rejection(refused.rejection), self._settings.acse_timeout_s)
        self._house.turned_away(self._address, refused.why)
        self._connection.linger(_LINGER_S)
        return False

    def _answer_requests(self) -> None:
        while True:
            begun = self._request is not None or self._command
            if not begun:
                self._tend()
            wait = self._settings.dimse_timeout_s if begun else self._settings.network_timeout_s
            kind, payload = self._connection.read_pdu(wait, self._settings.pdu_timeout_s)
            if kind == acse.DATA:
                for context_id, is_command, last, data in fragments(payload):
                    self._take(context_id, is_command, last, data)
            elif kind == acse.RELEASE_RQ:
                self._release()
                return
            elif kind == acse.ABORT:
                self._end_in_ledger()
                _log.info("%s: aborted by the peer", self._name)
                return
            else:
                raise PeerError("a PDU that has no place in an open association")

    def _release(self) -> None:
        # first the ledger: whoever asks after its release finds the association ended
        self._end_in_ledger()
        self._connection.send(acse.pdu(acse.RELEASE_RP, bytes(4)), self._settings.acse_timeout_s)
        self._connection.linger(_LINGER_S)

    def _take(self, context_id: int, is_command: bool, last: bool, data: memoryview) -> None:
        if is_command:
            if self._request is not None:
                raise PeerError("a command came before the data set of the last one")
            self._command += data
            if len(self._command) > _LONGEST_COMMAND:
                raise PeerError("a command that never ends")
            if last:
                received = bytes(self._command)
                self._command.clear()
                self._begin(context_id, command.decode(received))
            return
        request = self._request
        if request is None or request.context_id != context_id:
            raise PeerError("a data set that no command announced")
        request.data.take(data)
        if last:
            answer = request.data.finish()
            self._request = None
            self._respond(context_id, request.command, answer)

    def _begin(self, context_id: int, received: Command) -> None:
        context = self._contexts.get(context_id)
        if context is None:
            raise PeerError(f"a message in presentation context {context_id}, which was not accepted")
        kind = command.number(received, command.COMMAND_FIELD)
        has_data = command.number(received, command.DATA_SET_TYPE) != command.NO_DATA_SET
        if kind == command.C_CANCEL_RQ:
            return  # nothing here takes long enough to be cancelled
        if context.sop_class_uid == STORAGE_COMMITMENT:
            self._begin_commitment(context_id, context, received, has_data)
            return
        if kind & command.RESPONSE:
            raise PeerError("an answer to a question that was not asked")
        answer = self._judge(kind, has_data, context, received)
        if not has_data:
            self._respond(context_id, received, answer or Answer(status.NOT_UNDERSTOOD, "no data set"))
        elif answer is not None:
            refusal = Refusal(answer, self._house.intake.largest)
            self._request = Request(context_id, received, refusal)
        else:
            self._request = Request(context_id, received, self._arrival(context, received))

    def _begin_commitments(self, offers: Offers) -> Commitments:
        return Commitments(
            self._house.intake.store,
            self._name,
            self._connection,
            provide=offers.provide,
            timeout_s=self._settings.dimse_timeout_s,
        )

    def _tend(self) -> None:
        """While nothing comes, reports of storage commitment go out."""
        commitments = self._commitments
        while commitments is not None and commitments.waits and not self._connection.readable(LOOK_S):
            commitments.tend()

    def _begin_commitment(self, context_id: int, context: Context, received: Command, has_data: bool) -> None:
        assert self._commitments is not None
        if command.number(received, command.COMMAND_FIELD) & command.RESPONSE:
            if has_data:
                raise PeerError("an answer with a data set that has no place in it")
            self._commitments.answered(received)
        elif has_data:
            self._house.intake.register.flush()  # what it asks about may have come a moment ago
            data = self._commitments.gather(context_id, context.transfer_syntax, received)
            self._request = Request(context_id, received, data)
        else:
            self._respond(context_id, received, Answer(status.NOT_UNDERSTOOD, "no data set"))

    def _judge(self, kind: int, has_data: bool, context: Context, received: Command) -> Answer | None:
        """The answer that is clear without looking further; None where an object is to be stored."""
        if kind == command.C_ECHO_RQ and not has_data:
            return Answer(status.SUCCESS)
        if kind != command.C_STORE_RQ or context.sop_class_uid == VERIFICATION:
            return Answer(status.UNRECOGNISED_OPERATION, "C-ECHO and C-STORE only")
        sop_class = command.text(received, command.AFFECTED_SOP_CLASS)
        if sop_class != context.sop_class_uid:
            return self._refuse(status.CLASS_NOT_SUPPORTED, "SOP class is not the context's", sop_class)
        uid = command.text(received, command.AFFECTED_SOP_INSTANCE)
        if not is_uid(uid):
            return self._refuse(status.INVALID_INSTANCE, "SOP Instance UID is not a UID", uid)
        return None

    def _refuse(self, code: int, comment: str, value: str) -> Answer:
        _log.warning(
            "%s: an object is refused with 0x%04X: %s: %s", self._name, code, comment, printable(value)
        )
        return Answer(code, comment)

    def _arrival(self, context: Context, received: Command) -> Arrival | Refusal:
        assert self._peer is not None
        described = Described(
            sop_class_uid=context.sop_class_uid,
            sop_instance_uid=command.text(received, command.AFFECTED_SOP_INSTANCE),
            transfer_syntax=context.transfer_syntax,
            calling_ae=self._peer.ae_title,
            peer=self._peer.name,
        )
        return self._house.intake.begin(described, self._association, self._shelf)

    def _association(self) -> int:
        """The ledger's row of this association, made with its first object: an echo leaves none."""
        if self.association_id is None:
            assert self._peer is not None
            self.association_id = self._house.intake.store.instances.open_association(
                self._peer.name, self._peer.ae_title, self._address
            )
        return self.association_id

    def _end_in_ledger(self) -> None:
        self._shelf.clear()
        if self.association_id is None:
            return
        try:
            self._house.intake.end_association(self.association_id)
        except sqlite3.Error:
            return  # the role tries again until it is noted
        self.association_id = None

    def _respond(self, context_id: int, received: Command, answer: Answer) -> None:
        kind = command.number(received, command.COMMAND_FIELD)
        if kind == command.C_STORE_RQ:
            self._tally.count(answer)
        response: dict[int, command.Value] = {
            command.COMMAND_FIELD: kind | command.RESPONSE,
            command.MESSAGE_ID_ANSWERED: command.number(received, command.MESSAGE_ID),
            command.DATA_SET_TYPE: command.NO_DATA_SET,
            command.STATUS: answer.status,
        }
        for element, asked in (
            (command.AFFECTED_SOP_CLASS, command.REQUESTED_SOP_CLASS),
            (command.AFFECTED_SOP_INSTANCE, command.REQUESTED_SOP_INSTANCE),
        ):
            uid = command.text(received, element) or command.text(received, asked)
            if is_uid(uid):
                response[element] = uid
        if answer.comment:
            response[command.ERROR_COMMENT] = answer.comment[:_LONGEST_COMMENT]
        self._connection.send_command(context_id, command.encode(response), self._settings.dimse_timeout_s)
