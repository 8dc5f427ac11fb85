"""Training steps of RNNSearch beside peers made of PyTorch parts alone, as ratios.

All have the same sizes, encoder and read-out and take the same padded, masked batch.
How to run it, what the peers are, and what came out: README.md.
"""

import argparse
from functools import partial

import torch
from common import machine, random_sentences, ratio
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attention_book.data.translation.pairs import PairBatch
from attention_book.data.vocab import PAD
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig

EMBED, HIDDEN, MAXOUT, VOCAB, BATCH, TOKENS = 256, 512, 256, 8000, 64, 25


class Peer(nn.Module):
    """The parts that the peers share: the encoder, the first state, the read-out."""

    def __init__(self, context_dim: int = 2 * HIDDEN) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(VOCAB, EMBED)
        self.target_embedding = nn.Embedding(VOCAB, EMBED)
        self.encoder = nn.GRU(EMBED, HIDDEN, batch_first=True, bidirectional=True)
        self.initial_proj = nn.Linear(HIDDEN, HIDDEN)
        self.maxout_proj = nn.Linear(HIDDEN + EMBED + context_dim, 2 * MAXOUT)
        self.output_proj = nn.Linear(MAXOUT, VOCAB)

    def encode(self, batch: PairBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the annotations, the last states of both directions, and s_0."""
        packed = pack_padded_sequence(
            self.source_embedding(batch.source),
            batch.source_mask.sum(dim=1),
            batch_first=True,
            enforce_sorted=False,
        )
        packed, (forward, backward) = self.encoder(packed)
        annotations, _ = pad_packed_sequence(packed, batch_first=True)
        summary = torch.cat([forward, backward], dim=-1)
        return annotations, summary, self.initial_proj(backward).tanh()

    def read_out(self, *parts: Tensor) -> Tensor:
        """Return the logits for states, words and, where there are some, contexts."""
        pairs = self.maxout_proj(torch.cat(parts, dim=-1))
        return self.output_proj(pairs.unflatten(-1, (-1, 2)).amax(dim=-1))

    def loss(self, batch: PairBatch) -> Tensor:
        """Mean negative log-likelihood under teacher forcing."""
        return cross_entropy(
            self.logits(batch).flatten(0, 1),
            batch.target[:, 1:].flatten(),
            ignore_index=PAD,
        )


class OneContext(Peer):
    """No attention: the summary is the context of every step. The floor."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.GRU(EMBED + 2 * HIDDEN, HIDDEN, batch_first=True)

    def logits(self, batch: PairBatch) -> Tensor:
        """Return the logits of every next word."""
        _, summary, state = self.encode(batch)
        words = self.target_embedding(batch.target[:, :-1])
        contexts = summary[:, None].expand(-1, words.shape[1], -1)
        states, _ = self.decoder(torch.cat([words, contexts], dim=-1), state[None])
        return self.read_out(states, words, contexts)


class NoContext(Peer):
    """No attention and no context: smaller matrices in decoder and read-out."""

    def __init__(self) -> None:
        super().__init__(context_dim=0)
        self.decoder = nn.GRU(EMBED, HIDDEN, batch_first=True)

    def logits(self, batch: PairBatch) -> Tensor:
        """Return the logits of every next word."""
        _, _, state = self.encode(batch)
        words = self.target_embedding(batch.target[:, :-1])
        states, _ = self.decoder(words, state[None])
        return self.read_out(states, words)


class KeysEachStep(Peer):
    """A plain loop: all is done in the step that needs it, the keys' projection too."""

    def __init__(self) -> None:
        super().__init__()
        self.query_proj = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.key_proj = nn.Linear(2 * HIDDEN, HIDDEN, bias=False)
        self.score_proj = nn.Linear(HIDDEN, 1, bias=False)
        self.decoder = nn.GRUCell(EMBED + 2 * HIDDEN, HIDDEN)

    def hidden(self, state: Tensor, annotations: Tensor) -> Tensor:
        """Return what the tanh of the scores is taken of."""
        return self.query_proj(state)[:, None] + self.key_proj(annotations)

    def logits(self, batch: PairBatch) -> Tensor:
        """Return the logits of every next word."""
        annotations, _, state = self.encode(batch)
        steps = []
        for ids in batch.target[:, :-1].unbind(dim=1):
            word = self.target_embedding(ids)
            hidden = self.hidden(state, annotations).tanh()
            scores = self.score_proj(hidden).squeeze(-1)
            scores = scores.masked_fill(~batch.source_mask, -torch.inf)
            context = torch.bmm(scores.softmax(dim=-1)[:, None], annotations)[:, 0]
            steps.append(self.read_out(state, word, context))
            state = self.decoder(torch.cat([word, context], dim=-1), state)
        return torch.stack(steps, dim=1)


class PairsEachStep(KeysEachStep):
    """The same, with the state joined to each annotation before one projection."""

    def __init__(self) -> None:
        super().__init__()
        del self.query_proj, self.key_proj
        self.pair_proj = nn.Linear(3 * HIDDEN, HIDDEN, bias=False)

    def hidden(self, state: Tensor, annotations: Tensor) -> Tensor:
        """Return what the tanh of the scores is taken of."""
        states = state[:, None].expand(-1, annotations.shape[1], -1)
        return self.pair_proj(torch.cat([states, annotations], dim=-1))


PEERS = (OneContext, NoContext, KeysEachStep, PairsEachStep)


def make_batch(padded: bool) -> PairBatch:
    """Random sentences of 25 tokens, or of 5 to 25 with padding behind them."""
    sides = []
    for extra in (0, 1):  # a target has one token more: it starts with <bos>
        lengths = torch.full((BATCH,), TOKENS)
        if padded:
            lengths[1:] = torch.randint(5, TOKENS + 1, (BATCH - 1,))
        sides += random_sentences(lengths + extra, TOKENS + extra, VOCAB)
    return PairBatch(*sides)


def step(model: nn.Module, batch: PairBatch) -> None:
    """The loss and its gradients."""
    model.zero_grad()
    model.loss(batch).backward()


def main() -> None:
    """Take the times in turns; print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--padded", action="store_true", help="sentences of 5 to 25")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    config = RNNSearchConfig(
        source_vocab=VOCAB,
        target_vocab=VOCAB,
        embed_dim=EMBED,
        hidden_dim=HIDDEN,
        attention_dim=HIDDEN,
        maxout_dim=MAXOUT,
    )
    batch = make_batch(options.padded)
    models = [RNNSearch(config), *(peer() for peer in PEERS)]
    steps = {type(model).__name__: partial(step, model, batch) for model in models}
    ours, *others = seconds_in_turns(steps, rounds=options.rounds, warm_up=2).values()
    print(machine())
    print(f"{options.rounds} rounds, padded: {options.padded}, seed {options.seed}")
    print("RNNSearch's time over the peer's: median (quartiles)")
    for peer, own in zip(PEERS, others, strict=True):
        print(f"{peer.__name__:14} {ratio(ours, own)}")


if __name__ == "__main__":
    main()
