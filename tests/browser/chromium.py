"""Debian's Chromium without a screen, driven over a pipe with the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # a container's root has no user namespaces to build one from
    "--remote-debugging-pipe",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",  # everything that is looked at is on loopback
    "--hide-scrollbars",
)
_COMMANDS_FD, _EVENTS_FD = 3, 4  # the browser reads and writes there
_LONGEST_MESSAGE = 256 * 2**20
_STOP_S = 20


class BrowserError(Exception):
    """The browser is missing, refused a command, or did not answer."""


class Chromium:
    """One browser with one tab.

    Args:
        program: Chromium.
        profile: an empty folder for what it keeps, and for its log.
        size: of the window, width and height.
    """

    def __init__(self, program: Path, profile: Path, size: tuple[int, int] = (1600, 1000)) -> None:
        profile.mkdir(parents=True, exist_ok=True)
        self.log = profile / "chromium.log"
        self._size = size
        self._numbers = itertools.count(1)
        self._waiting = b""
        self._session: str | None = None
        self._pid, self._commands, self._events = _spawn(program, profile, size, self.log)

    def open(self) -> None:
        """Make the tab that everything else happens in; another one forgets what the first one showed."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")
        width, height = self._size
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def before_pages(self, script: str) -> None:
        """Run a script at the beginning of every page from now on."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def go(self, url: str) -> None:
        """Begin to load a page."""
        answer = self._call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise BrowserError(f"{url}: {answer['errorText']}")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {}).get("description", "")
            raise BrowserError(f"{expression}: {thrown}")
        return answer["result"].get("value")

    def until(self, expression: str, timeout_s: float) -> Any:
        """Wait until a JavaScript expression is true; BrowserError with the page's words where it is not."""
        deadline = time.monotonic() + timeout_s
        while not (found := self.ask(expression)):
            if time.monotonic() > deadline:
                text = self.ask("document.body ? document.body.innerText.slice(0, 1000) : ''")
                raise BrowserError(f"not within {timeout_s:g} s: {expression}; the page says: {text}")
            time.sleep(0.25)
        return found

    def click(self, x: float, y: float) -> None:
        """The left button at a place of the page."""
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def wheel(self, x: float, y: float, way: float) -> None:
        """Turn the wheel over a place of the page."""
        self._call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=way)

    def picture(self) -> bytes:
        """The page as it looks now, PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """End it, and this one only."""
        if self._pid is None:
            return
        pid, self._pid = self._pid, None
        for descriptor in (self._commands, self._events):
            os.close(descriptor)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, sign)
            if _ended(pid, _STOP_S):
                return

    def _call(self, method: str, timeout_s: float = 120.0, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        content = memoryview(json.dumps(message).encode() + b"\0")
        while content:
            content = content[os.write(self._commands, content) :]
        for answer in self._messages(time.monotonic() + timeout_s, method):
            if answer.get("id") != number:
                continue  # an event, or the answer to what was given up
            if "error" in answer:
                raise BrowserError(f"{method}: {answer['error'].get('message')}")
            result: dict[str, Any] = answer["result"]
            return result
        raise AssertionError("messages never end without an error")

    def _messages(self, deadline: float, method: str) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" not in self._waiting:
                remaining = deadline - time.monotonic()
                ready = remaining > 0 and select.select([self._events], [], [], remaining)[0]
                got = os.read(self._events, 1 << 20) if ready else b""
                if not got or len(self._waiting) > _LONGEST_MESSAGE:
                    log = self.log.read_text("utf-8", errors="replace")[-2000:]
                    raise BrowserError(f"{method}: Chromium does not answer; its log ends:\n{log}")
                self._waiting += got
            line, _, self._waiting = self._waiting.partition(b"\0")
            yield json.loads(line)


def _spawn(program: Path, profile: Path, size: tuple[int, int], log: Path) -> tuple[int, int, int]:
    """Process id, where commands go to, and where answers come from."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    # out of the way of the numbers that the browser expects
    reading, writing = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in (theirs_in, theirs_out))
    os.close(theirs_in)
    os.close(theirs_out)
    arguments = [str(program), *_FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(profile)}
    try:
        pid = os.posix_spawn(
            program,
            [*arguments, "about:blank"],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, reading, _COMMANDS_FD),
                (os.POSIX_SPAWN_DUP2, writing, _EVENTS_FD),
            ],
            setpgroup=0,
        )
    except OSError as error:
        raise BrowserError(f"{program} cannot be started: {error.strerror}") from None
    finally:
        os.close(reading)
        os.close(writing)
    return pid, ours_out, ours_in


def _ended(pid: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
        time.sleep(0.05)
    return False
