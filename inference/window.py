"""How many requests a task has in flight, and when it pauses: follows an own engine's queue, or what an endpoint lets pass."""

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from recast.inference import retry

OWN_START_WINDOW = 32
OWN_MAX_WINDOW = 1024
ENDPOINT_START_WINDOW = 8
ENDPOINT_MAX_WINDOW = 256
# A request is refused for its own sake where so many others passed since, for each that was refused, too. An endpoint
# that is merely busy refuses its share of all; at this share five refusals in turn befall one request in 100,000.
OTHERS_PASS = 10


class Window:
    """How many requests may be in flight."""

    def __init__(self, fixed: int, own: bool) -> None:
        """Start small unless the window is fixed."""
        self.fixed = bool(fixed)
        self.most = fixed or (OWN_MAX_WINDOW if own else ENDPOINT_MAX_WINDOW)
        self.size = float(fixed or (OWN_START_WINDOW if own else ENDPOINT_START_WINDOW))
        self._cut_at = 0.0

    def follow(self, running: int, waiting: int, in_flight: int) -> None:
        """Adapt to an own engine: double while it takes all that is sent, shrink while much of it only waits.

        A fixed window only comes back to its size after a cut.
        """
        if waiting == 0 and in_flight >= int(self.size):
            self.size = min(self.size * 2, self.most)
        elif self.fixed:
            return
        elif waiting > max(8, running):
            self.size = max(self.size * 0.8, OWN_START_WINDOW)

    def answered(self, in_flight: int) -> None:
        """Grow by about one for a whole window of answers, as long as the window is what limits (an endpoint)."""
        if in_flight + 1 >= int(self.size):
            self.size = min(self.size + 1 / self.size, self.most)

    def cut(self, sent_at: float) -> bool:
        """Halve after a refusal, once for all the requests that were sent before the last cut; tell whether it was."""
        if sent_at < self._cut_at:
            return False
        self.size = max(1.0, self.size / 2)
        self._cut_at = time.monotonic()
        return True


class Refusal(NamedTuple):
    """How things stood when a request was first refused: answers so far, requests in flight, requests ever refused.

    `answered_last` are the answers when it was last refused.
    """

    answered: int
    in_flight: int
    refused: int
    answered_last: int


@dataclass
class Pace:
    """What a task's requests have come to, and until when it pauses. Times are those of `time.monotonic`, in seconds."""

    window: Window
    patience_s: float
    answered: int = 0
    sent_at: float = 0.0
    silent_since: float = 0.0  # the last answer, or since when one is due
    paused_until: float = 0.0
    pauses: int = 0  # in a row, without an answer in between
    refused: dict[str, Refusal] = field(default_factory=dict)
    ever_refused: int = 0

    def silent(self, now: float) -> bool:
        """Tell whether nothing was answered for so long that it is the engine's fault and no request's."""
        return now - self.silent_since > self.patience_s

    def note_answer(self) -> None:
        """Note an answer: patience begins anew."""
        self.answered += 1
        self.pauses = 0
        self.silent_since = time.monotonic()

    def pause(self, sent_at: float, after_s: float) -> None:
        """Halve the window and pause, once for all the requests that were sent before the last refusal."""
        now = time.monotonic()
        if not self.pauses:
            self.silent_since = now  # patience with refusals begins with the first of them
        if self.window.cut(sent_at):
            self.paused_until = max(self.paused_until, now + retry.pause_s(self.pauses, after_s))
            self.pauses += 1

    def refused_alone(self, key: str, in_flight: int, others: bool) -> bool:
        """Note a refusal and tell whether it is for the request's own sake: since its first one nearly all others passed.

        An endpoint that has begun to refuse everything is waited for: where `others` are there to be sent, one of them must
        have been answered since the last refusal. When that has taken too long, one answer since the first is enough.
        """
        known = self.refused.get(key)
        if known is None:
            self.ever_refused += 1
            known = Refusal(self.answered, in_flight, self.ever_refused, self.answered)
        self.refused[key] = known._replace(answered_last=self.answered)
        passed, refused = self.answered - known.answered, self.ever_refused - known.refused
        if self.silent(time.monotonic()):
            return passed > 0
        # Those in flight at the first refusal had been let in before it, so their answers say nothing.
        if passed - known.in_flight < OTHERS_PASS * (1 + refused):
            return False
        return self.answered > known.answered_last or not others
