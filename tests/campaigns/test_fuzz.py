"""A few hundred cases of the fuzzing campaign; the long run is a command of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.ledger import Store
from qsmnode.node.wire import acse, command
from qsmnode.node.wire.connection import data_pdu
from tests.campaigns import fuzz
from tests.campaigns.talk import GOOD_REQUEST, MR

_CASES = 150


@pytest.mark.parametrize("part", ["talk", "files"])
def test_nothing_that_is_said_or_sent_hangs_or_breaks_it(tmp_path: Path, part: str) -> None:
    with fuzz.parts(tmp_path) as parts:
        case, shapes = parts[part]
        assert fuzz.run(case, shapes, _CASES, first_seed=1) >= _CASES


def test_the_campaign_reaches_what_is_behind_the_handshake(tmp_path: Path) -> None:
    store = {
        command.AFFECTED_SOP_CLASS: MR,
        command.COMMAND_FIELD: command.C_STORE_RQ,
        command.MESSAGE_ID: 1,
        command.DATA_SET_TYPE: command.WITH_DATA_SET,
        command.AFFECTED_SOP_INSTANCE: "1.2.3",
    }
    said = data_pdu(1, command.encode(store), command=True, last=True)
    said += data_pdu(1, b"\x08\0\x60\0CS\x02\0MR", command=False, last=True)
    with Store(tmp_path / "store") as kept:
        listener = fuzz.Listener(kept)
        answer = listener.hear(GOOD_REQUEST + said + acse.pdu(acse.RELEASE_RQ, bytes(4)))
        listener.close()
        assert answer[0] == acse.ASSOCIATE_AC
        assert answer[-10] == acse.RELEASE_RP
        assert listener.check() == 1
