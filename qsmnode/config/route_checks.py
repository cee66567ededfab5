"""What must hold between routes, peers, products and recipes, beyond each setting's own type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from qsmnode.config.document import Document, KeyPath
from qsmnode.config.keyword_checks import check_keywords
from qsmnode.config.peer_checks import can_receive, sender_titles
from qsmnode.config.wording import unknown_name


def check_routes(
    document: Document, recipes: Callable[[object], None] | None, products: Collection[str] | None
) -> None:
    """Names, reachability, senders, receivers, products and recipes of all routes."""
    names: dict[str, int] = {}
    for index, route in enumerate(document.sequence("routes")):
        if not isinstance(route, dict):
            continue
        path: KeyPath = ("routes", index)
        _check_name(document, path, route, names)
        _check_reachable(document, index)
        _check_senders(document, path)
        _check_receivers(document, path)
        _check_asked(document, path)
        check_keywords(document, (*path, "match"))
        if products is not None:
            _check_products(document, path, products)
        if recipes is not None and "recipe" in route:
            _check_recipe(document, (*path, "recipe"), route["recipe"], recipes)


def _check_name(document: Document, path: KeyPath, route: dict[str, Any], names: dict[str, int]) -> None:
    name = route.get("name")
    if isinstance(name, str) and name in names:
        where = document.value_place(("routes", names[name], "name"))
        document.blame((*path, "name"), f"the route at line {where.line} has this name already")
    elif isinstance(name, str):
        names[name] = int(path[-1])


def _check_reachable(document: Document, index: int) -> None:
    """The first route that matches wins, so that an earlier one can leave nothing over."""
    match = document.get("routes", index, "match") or {}
    for earlier in range(index):
        route = document.get("routes", earlier)
        wider = route.get("match") or {} if isinstance(route, dict) else None
        if wider == {} or (wider is not None and wider == match):
            line = document.value_place(("routes", earlier)).line
            what = "every acquisition" if wider == {} else "exactly the same"
            message = f"can never be reached: the route at line {line} matches {what}"
            document.blame(("routes", index, "match"), message, key=True)
            return


def _check_senders(document: Document, path: KeyPath) -> None:
    here = (*path, "match", "calling_ae")
    known = sender_titles(document)
    for index, title in enumerate(document.sequence(*here)):
        if isinstance(title, str) and title not in known:
            hint = unknown_name("sender", title, known)
            message = "no peer that may send has this AE title" if document.secrets else hint
            document.blame((*here, index), message)


def _check_receivers(document: Document, path: KeyPath) -> None:
    here = (*path, "send_to")
    peers = document.mapping("peers")
    for index, name in _distinct(document, here):
        if name not in peers:
            document.blame((*here, index), unknown_name("peer", name, peers))
        elif isinstance(peers[name], dict) and not can_receive(peers[name]):
            document.blame((*here, index), f"peer {name!r} cannot receive: it has neither port nor folder")


def _check_asked(document: Document, path: KeyPath) -> None:
    """Who is asked for missing images has to be called, and has to be let in with them."""
    here = (*path, "ask_for_missing")
    name, peers = document.get(*here), document.mapping("peers")
    if not isinstance(name, str):
        return
    peer = peers.get(name)
    if name not in peers:
        document.blame(here, unknown_name("peer", name, peers))
    elif isinstance(peer, dict) and ("ae_title" not in peer or peer.get("port") is None):
        document.blame(here, f"peer {name!r} cannot be asked: it has no AE title and port")
    elif isinstance(peer, dict) and peer.get("may_send") is False:
        document.blame(here, f"peer {name!r} could not send what it is asked for: it has may_send: false")


def _check_products(document: Document, path: KeyPath, products: Collection[str]) -> None:
    here = (*path, "products")
    listed = document.sequence(*here)
    for index, name in _distinct(document, here):
        needed = products.get(name, ()) if isinstance(products, Mapping) else ()
        for other in needed:
            if other not in listed:
                document.blame((*here, index), f"refers to the product {other!r}: list that as well")
        if name not in products:
            document.blame((*here, index), unknown_name("product", name, products))


def _distinct(document: Document, path: KeyPath) -> list[tuple[int, str]]:
    """The names in a list; one that stands there twice is blamed and given once."""
    found: dict[str, int] = {}
    for index, name in enumerate(document.sequence(*path)):
        if isinstance(name, str) and name in found:
            document.blame((*path, index), "stands in this list already")
        elif isinstance(name, str):
            found[name] = index
    return [(index, name) for name, index in found.items()]


def _check_recipe(document: Document, path: KeyPath, recipe: Any, recipes: Callable[[object], None]) -> None:
    if not isinstance(recipe, (str, dict)) or recipe == "":
        return  # its type is blamed already
    try:
        recipes(recipe)
    except ValueError as error:
        secret = document.is_secret(path)
        message = "the value that the placeholder stands for is not valid here" if secret else str(error)
        document.blame(_recipe_path(document, path, str(error)), message)


def _recipe_path(document: Document, path: KeyPath, message: str) -> KeyPath:
    """The engine's messages begin with a dotted path; those parts of it that are keys here."""
    for part in message.partition(":")[0].split("."):
        if part in document.mapping(*path):
            path = (*path, part)
    return path
