"""The encoded prompts of one RL step: each is encoded once, by the process that asks it, and handed to the one that
trains on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onethinker.engines.base import Request
from onethinker.engines.encode import Encoder, Prompt
from onethinker.media import MediaBudget
from onethinker.train.parallel import SINGLE_PROCESS, Processes
from onethinker.train.prefix import TokenGroup

if TYPE_CHECKING:
    from onethinker.train.experience import ScoredGroup


class StepPrompts:
    """Prompts by their sample's position, held from the length check until a microbatch has used them.

    A megapixel is 25 MB of tensors, a step's prompts are gigabytes: no cache of a fixed size keeps them, and a cache
    that is walked through in the same order again keeps nothing at all. So nothing here is evicted; it is released.
    """

    def __init__(self, encoder: Encoder, budget: MediaBudget, processes: Processes = SINGLE_PROCESS) -> None:
        """budget: how large media may become, pictures in tools' responses among them."""
        self.encoder, self.budget, self.processes = encoder, budget, processes
        self._requests: dict[int, Request] = {}

    def hold(self, position: int, request: Request) -> Prompt:
        """Encode a prompt that this process will ask. Raises MediaError, ValueError."""
        prompt = self.encoder.hold(request)
        self._requests[position] = request
        return prompt

    def release(self, groups: Sequence[ScoredGroup]) -> None:
        """Let go of the prompts of groups that are not trained on any more; those of another process are its own."""
        for group in groups:
            if group.owner == self.processes.rank:
                self.release_position(group.position)

    def release_position(self, position: int) -> None:
        """Take back one `hold`."""
        self.encoder.release(self._requests[position])

    def clear(self) -> None:
        """Let go of everything that is held."""
        self.encoder.release_all()
        self._requests.clear()

    def share(self, groups: Sequence[ScoredGroup], *, release: bool) -> tuple[list[int], list[Prompt]]:
        """Places, ascending, of this process's share of the groups, even in tokens, and their prompts.

        A prompt that another process has encoded comes from there: sending it costs less than opening, resizing and
        encoding its media again. release: the groups are needed no more after this, so that the prompts returned are
        the only ones left and are gone with the caller's last reference. All processes must call it.
        """
        shards, rank = self.processes.balanced_shards([g.tokens for g in groups]), self.processes.rank
        parcels = [{i: self._held(groups[i]) for i in shard if groups[i].owner == rank} for shard in shards]
        received = self.processes.exchange(parcels)
        if release:
            self.release(groups)
        return shards[rank], [received[groups[i].owner][i] for i in shards[rank]]

    def packed(self, group: ScoredGroup, prompt: Prompt) -> TokenGroup:
        """The group's tokens with its prompt, which is then held by nothing else. Pictures that tools gave are small
        files within the answers, and encoded here."""
        return group.group(prompt, self.encoder, self.budget)

    def _held(self, group: ScoredGroup) -> Prompt:
        return self.encoder.encode(self._requests[group.position])
