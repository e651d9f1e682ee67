"""Ctrl-C, and what a system sends when a command is to end, heard where the work can be left off."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

#: What asks a command to end: Ctrl-C, a scheduler, the terminal going away.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_AS_ONE = 1.0  # seconds in which several count as one: a scheduler tells each process, and so does a grid


class LeftOffError(KeyboardInterrupt):
    """Raised by :meth:`Interruption.heed`: what the work has changed fits together, and can be saved."""


class Interruption:
    """While entered, the first SIGINT, SIGTERM or SIGHUP only sets ``asked``; one more than a second later raises
    ``KeyboardInterrupt`` at once, wherever the work is. With ``at_once`` the first one does too.

    A block that ends well although it was asked raises ``KeyboardInterrupt`` as it ends, so that no interruption is
    lost; not with ``at_once``. SIGHUP that is ignored, as under ``nohup``, stays so: whoever started us means us to go
    on. In a thread other than the main one, where Python allows no handlers, nothing is heard.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.asked = False
        self._at_once, self._heard_at = at_once, 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS if _is_heard(number)}
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: one that is not Python's
        if self.asked and kind is None and not self._at_once:
            raise KeyboardInterrupt

    def heed(self) -> None:
        """Raise :class:`LeftOffError` if asked to; for the places where the work can be left off."""
        if self.asked:
            raise LeftOffError

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        again, self.asked = self.asked, True
        if again and now - self._heard_at < _AS_ONE:
            return
        self._heard_at = now
        if again or self._at_once:
            raise KeyboardInterrupt


def _is_heard(number: int) -> bool:
    """All but a hang-up that is ignored. SIGINT also then: a script's shell ignores it for all in the background."""
    return signal.Signals(number).name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
