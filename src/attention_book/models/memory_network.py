"""End-to-end memory network (Sukhbaatar et al., 2015)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.memory_network import (
    MemoryRead,
    WordFactors,
    noisy_time_indices,
    position_encoding,
    released_position_encoding,
    time_indices,
)
from attention_book.data.questions.questions import QuestionBatch
from attention_book.data.vocab import PAD
from attention_book.functional import Mask
from attention_book.models.checks import check_sizes

TYING = ("adjacent", "layer-wise", "none")
SENTENCES = ("position", "released", "bag")


@dataclass(frozen=True, kw_only=True)
class MemN2NConfig:
    r"""Sizes and choices of a :class:`MemN2N`.

    Attributes:
        word_vocab: number of words, answers included.
        memory_size: largest number of facts in memory.
        embed_dim: :math:`d`, size of a word, of a memory and of the state.
        num_hops: :math:`K`, how often the memory is read.
        tying: which hops share matrices: "adjacent", :math:`A^{k+1} = C^k`,
            :math:`B = A^1`, :math:`W^\top = C^K`; "layer-wise", :math:`A` and
            :math:`C` the same in all hops, and a matrix :math:`H` for the state;
            "none".
        sentence: how words become a vector: "position", the sum with
            :func:`~attention_book.attention.memory_network.position_encoding`;
            "released", with that of the authors' code, which needs ``max_words``;
            "bag", the plain sum.
        max_words: words of the longest sentence, for "released"; questions included.
        time: whether the memories have vectors for their time, :math:`T_A, T_C`.
        time_noise: in training, largest number of empty memories that are added, as a
            share of the facts.
        attend_empty: whether the memories that a story leaves empty take part in the
            softmax, with score 0, as in the authors' code. False: they are masked.

    Raises:
        ValueError: if a size is below 1, ``time_noise`` is negative, ``tying`` or
            ``sentence`` is unknown, or ``max_words`` does not come with "released".
    """

    word_vocab: int
    memory_size: int = 50
    embed_dim: int = 20
    num_hops: int = 3
    tying: str = "adjacent"
    sentence: str = "position"
    max_words: int | None = None
    time: bool = True
    time_noise: float = 0.0
    attend_empty: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.time_noise < 0:
            raise ValueError(f"time_noise must not be negative, got {self.time_noise}")
        for name, allowed in ("tying", TYING), ("sentence", SENTENCES):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )
        if (self.sentence == "released") != (self.max_words is not None):
            raise ValueError(
                'max_words must be given for sentence "released" and no other, got '
                f"{self.max_words} for {self.sentence!r}"
            )


class MemN2N(nn.Module):
    r"""Answer a question about a story that is kept in memory, in several hops.

    .. math::
        u^1 = \sum_j l_j \odot B q_j, \qquad
        m_i^k = \sum_j l_j \odot A^k x_{ij} + T_A^k(i), \qquad
        c_i^k = \sum_j l_j \odot C^k x_{ij} + T_C^k(i)

    .. math::
        p^k = \mathrm{softmax}((u^k)^\top m^k), \qquad
        u^{k+1} = u^k + \sum_i p_i^k c_i^k, \qquad
        \hat a = \mathrm{softmax}(W u^{K+1})

    Every matrix with a column for each word is a row of ``tables``; ``times`` has their
    temporal vectors. Which of them a hop uses depends on the tying.

    Args:
        config: sizes and choices.

    Attributes:
        linear: whether all reads leave the softmax out, for a linear start. It is not
            part of the weights, and False at first.

    Raises:
        ValueError: from a call, if there are more facts than memories or, on a CPU, an
            id is not below ``word_vocab``.

    Source: arXiv:1503.08895, section 2 and 4.1. All weights start from
        :math:`N(0, 0.1^2)`. The padding word, the paper's null symbol, stays 0:
        :meth:`after_step`.

    Example:
        >>> config = MemN2NConfig(word_vocab=11)
        >>> facts = torch.randint(1, 11, (2, 7, 5))
        >>> MemN2N(config)(facts, torch.randint(1, 11, (2, 3))).shape
        torch.Size([2, 11])
    """

    def __init__(self, config: MemN2NConfig) -> None:
        super().__init__()
        self.config = config
        self.linear = False
        hops = range(config.num_hops)
        # Which table each hop takes for A and C, then those for B and W.
        self.key_table, self.value_table, self.question_table, self.answer_table = {
            "adjacent": ([*hops], [k + 1 for k in hops], 0, config.num_hops),
            "layer-wise": ([0 for _ in hops], [1 for _ in hops], 2, 3),
            "none": (
                [2 * k for k in hops],
                [2 * k + 1 for k in hops],
                2 * config.num_hops,
                2 * config.num_hops + 1,
            ),
        }[config.tying]
        size = config.embed_dim
        memories = {*self.key_table, *self.value_table}
        self.num_memories = len(memories)  # their tables are the first ones
        self.tables = nn.ParameterList(
            torch.empty(config.word_vocab, size)
            for _ in range(len(memories | {self.question_table, self.answer_table}))
        )
        self.times = nn.ParameterList(
            torch.empty(config.memory_size + 1, size)  # row 0 is an empty memory's
            for _ in range(len(memories) if config.time else 0)
        )
        self.state_proj = None  # H
        if config.tying == "layer-wise":
            self.state_proj = nn.Linear(size, size, bias=False)
        self.hops = nn.ModuleList(MemoryRead() for _ in hops)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.1)
        self.after_step()

    def weigh(self, ids: Int[Tensor, "*axes words"]) -> WordFactors:
        """Sum up the words of sentences as two weighted bags of words.

        Args:
            ids: words of the sentences, padded on the right.

        Returns:
            :class:`~attention_book.attention.memory_network.WordFactors` whose
            :math:`a` and :math:`c` are those of each word of the vocabulary, summed up
            over where it stands.

        Memory: two numbers for each sentence and word of the vocabulary.
        """
        factors, like = self._factors(ids), self.tables[0]
        parts = [part.expand(ids.shape) for part in (factors.offset, factors.slope)]
        bags = like.new_zeros(2, *ids.shape[:-1], self.config.word_vocab)
        try:
            bags.scatter_add_(-1, ids.expand(2, *ids.shape), torch.stack(parts))
        except RuntimeError as error:
            raise ValueError(
                f"ids must be from 0 to {self.config.word_vocab - 1}, the size of "
                f"the vocabulary less 1, got ids from {ids.min()} to {ids.max()}"
            ) from error
        bags[..., PAD] = 0.0  # so that padding gets no gradient either
        return WordFactors(bags[0], bags[1], factors.feature)

    def embed(
        self, words: WordFactors, tables: Sequence[int]
    ) -> Float[Tensor, "*axes tables dim"]:
        r"""Turn sentences into vectors :math:`\sum_j l_j \odot A x_j`.

        Args:
            words: result of :meth:`weigh`.
            tables: which of the ``tables`` are :math:`A`, one after the other.
        """
        matrix = torch.cat([self.tables[table] for table in tables], dim=-1)
        offset, slope = (
            (bag @ matrix).unflatten(-1, (len(tables), -1))
            for bag in (words.offset, words.slope)
        )
        return offset + words.feature * slope

    def remember(
        self, facts: Int[Tensor, "batch facts words"]
    ) -> Float[Tensor, "batch facts tables dim"]:
        """Turn facts into memories, once with each table that hops take them from.

        Args:
            facts: the oldest first, empty memories last.
        """
        size = self.config.memory_size
        if facts.shape[1] > size:
            raise ValueError(
                f"facts must be at most {size}, the size of the memory, got "
                f"{facts.shape[1]}"
            )
        tables = range(self.num_memories)
        memories = self.embed(self.weigh(facts), tables)
        if not self.config.time:
            return memories
        indices = self._times((facts != PAD).any(dim=-1))
        vectors = torch.cat(list(self.times), dim=-1)
        times = F.embedding(indices, vectors).unflatten(-1, (len(tables), -1))
        if self.config.sentence == "released":  # the time counts as a last word
            times = times * self._released().matrix()[-1]
        return memories + times

    def forward(
        self,
        facts: Int[Tensor, "batch facts words"],
        question: Int[Tensor, "batch question_words"],
    ) -> Float[Tensor, "batch word_vocab"]:
        """Return the logits of the answer, over all words.

        Args:
            facts: word ids of the stories, the oldest fact first; one that is all
                padding is an empty memory, and these come last.
            question: word ids of the questions, padded on the right.
        """
        memories = self.remember(facts)
        mask: Mask | None = (facts != PAD).any(dim=-1)[:, None]
        if self.config.attend_empty:  # with vectors of zeros, and not masked
            empty = self.config.memory_size - facts.shape[1]
            memories = F.pad(memories, (0, 0, 0, 0, 0, empty))
            mask = None
        state = self.embed(self.weigh(question), [self.question_table])
        for hop, key, value in zip(
            self.hops, self.key_table, self.value_table, strict=True
        ):
            context, _ = hop(
                state,
                memories[:, :, key],
                memories[:, :, value],
                mask,
                linear=self.linear,
            )
            if self.state_proj is not None:
                state = self.state_proj(state)
            state = state + context
        return state[:, 0] @ self.tables[self.answer_table].mT

    def loss(self, batch: QuestionBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the answers, in nats per answer."""
        return F.cross_entropy(self(batch.facts, batch.question), batch.answer)

    @torch.no_grad()
    def after_step(self) -> None:
        """Set the vectors of padding back to 0, after each optimizer step.

        The gradient of a table that also serves as :math:`W` would move them.
        """
        for table in (*self.tables, *self.times):
            table[PAD].zero_()

    def _times(self, fact_mask: Bool[Tensor, "batch facts"]) -> Int[Tensor, "_ facts"]:
        if self.training and self.config.time_noise:
            noisy = noisy_time_indices(fact_mask, self.config.time_noise)
            return noisy.clamp(max=self.config.memory_size)
        return time_indices(fact_mask)

    def _factors(self, ids: Int[Tensor, "*axes words"]) -> WordFactors:
        config, like = self.config, self.tables[0]
        words = ids.shape[-1]
        if config.sentence == "position":
            return position_encoding(ids != PAD, config.embed_dim, dtype=like.dtype)
        if config.max_words is None:  # a plain sum
            ones = like.new_ones(words)
            return WordFactors(ones, 0 * ones, like.new_zeros(config.embed_dim))
        if words > config.max_words:
            raise ValueError(
                f"sentences must have at most max_words ({config.max_words}) words, "
                f"got {words}"
            )
        factors = self._released()
        return factors._replace(
            offset=factors.offset[:words], slope=factors.slope[:words]
        )

    def _released(self) -> WordFactors:
        words, like = (self.config.max_words or 0) + 1, self.tables[0]
        return released_position_encoding(
            words, self.config.embed_dim, dtype=like.dtype, device=like.device
        )
