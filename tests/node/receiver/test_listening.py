"""Where the receiver listens, and what it says where it cannot."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.errors import UsageError
from qsmnode.ledger import Store
from qsmnode.node.receiver import Receiver
from qsmnode.node.wire import acse

Dial = Callable[..., Any]


def test_a_port_that_is_taken_is_a_usage_error(node_config: Callable[..., Config], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = node_config(node={"port": port, "store": str(tmp_path / "store")})
        with (
            Store(config.node.store) as store,
            pytest.raises(
                UsageError, match=rf"node\.port {port}: cannot listen there \(Address already in use\)"
            ),
        ):
            Receiver(config, store).start()


def test_an_address_that_is_none_is_a_usage_error(node_config: Callable[..., Config], tmp_path: Path) -> None:
    config = node_config(node={"bind": "no-such-host.invalid", "store": str(tmp_path / "store")})
    with (
        Store(config.node.store) as store,
        pytest.raises(UsageError, match=r"node\.bind no-such-host\.invalid"),
    ):
        Receiver(config, store).start()


BINDS = ["localhost", "0.0.0.0"] + (["::"] if socket.has_dualstack_ipv6() else [])


@pytest.mark.parametrize("bind", BINDS)
def test_every_kind_of_address(
    run_receiver: Callable[..., Any], free_port: Callable[[], int], dial: Dial, tmp_path: Path, bind: str
) -> None:
    node = run_receiver(node={"port": free_port(), "bind": bind, "store": str(tmp_path / "store")})
    caller = dial(node.port)
    assert caller.ask() == acse.ASSOCIATE_AC  # an IPv4 peer is known behind an IPv6 socket too
    assert caller.echo() == 0x0000
