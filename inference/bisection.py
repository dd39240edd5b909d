"""Finds the request that kills an own engine: those in flight at its death are sent again in smaller and smaller groups.

A restart costs minutes, so few deaths matter more than many requests at once: the groups are an eighth, then one
sixty-fourth, ... of the suspects. A request is given up only after several deaths of healthy engines that had it alone.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from recast.inference.answers import MAX_ERROR_CHARS, POISON
from recast.inference.request import Request
from recast.inference.server import diagnosis
from recast.inference.server.diagnosis import Ending
from recast.inference.server.spec import Engine, EngineError
from recast.inference.threads import in_thread
from recast.schemas.answers import Answer

logger = logging.getLogger(__name__)

GROUPS = 8
# A request is poison after three deaths of healthy engines that had it alone, others being answered in between where there
# are any. A death by somebody else's signal counts half: whoever preempts GPUs or restarts servers blames nobody, but a
# killer outside the kernel that watches memory may well mean this request, so that the search must end.
DEATH, DEATH_FROM_OUTSIDE, POISONOUS = 2, 1, 6
# An engine that died of so many different requests in a row, each alone, and answered nothing in between is at fault itself.
FAULTY_DEATHS = 8


class Death(NamedTuple):
    """The end of an own engine: which one, whether it was declared dead for its silence, and whether a request reached it."""

    engine: Engine
    silent: bool
    reached: bool


@dataclass
class Search:
    """What one task knows of its engine's deaths.

    Attributes:
        suspects: the requests in flight at a death that is not looked into yet.
        death: the last one.
        bystanders: keys of requests in flight when somebody ended the engine.
        blame: weights of the deaths at which a request was alone, by its key.
        died_of: keys of requests accused for the first time since the last answer, and engines that no request reached.
    """

    suspects: list[Request] = field(default_factory=list)
    death: Death | None = None
    bystanders: set[str] = field(default_factory=set)
    blame: Counter[str] = field(default_factory=Counter)
    died_of: set[str] = field(default_factory=set)

    def take_suspects(self) -> list[Request]:
        """Return the suspects and forget them."""
        suspects, self.suspects = self.suspects, []
        return suspects

    def accused(self, request: Request) -> bool:
        """Tell whether an engine died while it had this request alone."""
        return request.key in self.blame

    def clear(self, key: str) -> None:
        """Forget a request that has its outcome."""
        self.blame.pop(key, None)
        self.bystanders.discard(key)

    async def ending(self) -> Ending:
        """Return how the engine ended that died last."""
        assert self.death is not None
        if self.death.silent:
            return Ending(False, "it did not answer and was replaced")
        ending: Ending = await in_thread(diagnosis.ending, self.death.engine)
        return ending

    async def sort_suspects(self) -> tuple[list[Request], list[list[Request]]]:
        """Return, after a death, the requests to send as before, and the groups to send apart.

        Where somebody ended the engine all are sent as before, except those that were there when somebody did so already.
        """
        suspects, ending = self.take_suspects(), await self.ending()
        logger.warning("the engine died with %d requests in flight: %s", len(suspects), ending.words)
        innocent = [each for each in suspects if ending.from_outside and each.key not in self.bystanders]
        keys = {request.key for request in innocent}
        self.bystanders |= keys
        return innocent, groups([request for request in suspects if request.key not in keys])

    async def accuse(self, request: Request) -> Answer | None:
        """Note that the engine died while it had this request alone; return the answer that gives it up after too many deaths.

        Raises EngineError where the engine is shown to be at fault.
        """
        assert self.death is not None
        ending = await self.ending()
        logger.warning("the engine died while it had request %s alone: %s", request.key, ending.words)
        if not self.death.reached:
            self.died_of.add(self.death.engine.instance)
        elif not (ending.from_outside or self.accused(request)):
            self.died_of.add(request.key)
        if len(self.died_of) >= FAULTY_DEATHS:
            words = f"the engine died {FAULTY_DEATHS} times in a row, with no request or a different one each time"
            raise EngineError(f"{words}, and answered nothing in between; at last: {ending.words}")
        if self.death.reached:
            self.blame[request.key] += DEATH_FROM_OUTSIDE if ending.from_outside else DEATH
        if self.blame[request.key] < POISONOUS:
            return None
        logger.warning("request %s kills the engine; it is given up", request.key)
        words = f"the engine died again and again while it had this request alone, at last: {ending.words}"
        return Answer(None, POISON, error=words[:MAX_ERROR_CHARS])


def groups(suspects: Sequence[Request]) -> list[list[Request]]:
    """Return suspects in eight groups in the order they were sent, each alone if there are few."""
    size = max(1, -(-len(suspects) // GROUPS))
    return [list(suspects[start : start + size]) for start in range(0, len(suspects), size)]
