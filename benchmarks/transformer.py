"""The Transformer beside ``nn.Transformer``: a training step; greedy decoding.

How to run it, what the peers are, and what came out: README.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from common import machine, random_sentences, ratio
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from attention_book.data.translation.pairs import PairBatch
from attention_book.data.vocab import BOS, EOS, PAD
from attention_book.decoding.search import greedy_search
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models.transformer.config import TransformerConfig
from attention_book.models.transformer.layers import nonpad_indices
from attention_book.models.transformer.model import Transformer
from attention_book.training.optimizers import make_optimizer

# Width, heads, feed-forward, layers of each side; sentences, longest one; vocabulary.
SIZES = {
    "tiny": (64, 4, 256, 2, 64, 20, 2000),
    "small": (256, 8, 1024, 3, 32, 32, 8000),
    "base": (512, 8, 2048, 6, 8, 64, 8000),
}
# Our names in PyTorch's words, for the layers of encoder and decoder.
THEIRS = {
    "self_attention.in_proj.": "self_attn.in_proj_",
    "cross_attention.in_proj.": "multihead_attn.in_proj_",
    "self_attention": "self_attn",
    "cross_attention": "multihead_attn",
    "feed_forward.hidden_proj": "linear1",
    "feed_forward.out_proj": "linear2",
    "self_residual.norm": "norm1",
}
NORMS = {
    "encoder": {"feed_forward_residual.norm": "norm2"},
    "decoder": {"cross_residual.norm": "norm2", "feed_forward_residual.norm": "norm3"},
}


class Peer(nn.Module):
    """``nn.Transformer`` between the embeddings and the output layer of our model."""

    def __init__(self, ours: Transformer) -> None:
        super().__init__()
        config = ours.config
        self.ours = [ours]  # in a list: its layers are no parts of this model
        self.smoothing = config.label_smoothing
        self.source_embedding = nn.Embedding(config.source_vocab, config.embed_dim)
        self.target_embedding = nn.Embedding(config.target_vocab, config.embed_dim)
        self.source_embedding.weight.data.copy_(ours.source_embedding.weight)
        self.target_embedding.weight.data.copy_(ours.target_embedding.weight)
        self.scale = config.embed_dim**0.5
        self.output_proj = nn.Linear(config.embed_dim, config.target_vocab, bias=False)
        self.output_proj.weight = self.target_embedding.weight
        self.register_buffer("positions", ours.source_positions.table)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = nn.Transformer(
            config.embed_dim,
            config.num_heads,
            config.num_layers,
            config.num_layers,
            config.hidden_dim,
            config.dropout,
            batch_first=True,
        )
        # One more norm at each end than the paper has, and than our model.
        self.transformer.encoder.norm = self.transformer.decoder.norm = None
        for part in "encoder", "decoder":
            weights = {}
            for name, weight in getattr(ours, part).state_dict().items():
                for here, there in (THEIRS | NORMS[part]).items():
                    name = name.replace(here, there)
                weights[name] = weight
            getattr(self.transformer, part).load_state_dict(weights)

    def embed(self, embedding: nn.Embedding, ids: Tensor) -> Tensor:
        """Return the tokens that go into the layers."""
        return self.dropout(
            embedding(ids) * self.scale + self.positions[: ids.shape[1]]
        )

    def loss(self, batch: PairBatch) -> Tensor:
        """Label-smoothed cross-entropy; logits are computed for padding too."""
        inputs, padding = batch.target[:, :-1], ~batch.source_mask
        causal = nn.Transformer.generate_square_subsequent_mask(
            inputs.shape[1], device=inputs.device, dtype=torch.bool
        )
        tokens = self.transformer(
            self.embed(self.source_embedding, batch.source),
            self.embed(self.target_embedding, inputs),
            tgt_mask=causal,
            tgt_is_causal=True,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return cross_entropy(
            self.output_proj(tokens).flatten(0, 1),
            batch.target[:, 1:].flatten(),
            ignore_index=PAD,
            label_smoothing=self.smoothing if self.training else 0.0,
        )


def make_batch(rows: int, longest: int, vocab: int) -> PairBatch:
    """Random sentences whose lengths are spread as in a batch of Multi30k."""
    words = (0.55 * longest + 0.17 * longest * torch.randn(rows)).round().long()
    words[0] = longest
    sides = []
    for extra in (0, 1):  # a target has one token more: it starts with <bos>
        near = words + torch.randint(-1, 2, (rows,)) * extra
        near[0] = longest
        lengths = near.clamp(longest // 6, longest) + extra
        sides += random_sentences(lengths, longest + extra, vocab)
    return PairBatch(*sides)


def make_step(
    model: nn.Module, batch: PairBatch, compiled: bool
) -> Callable[[], Tensor]:
    """A function that trains ``model`` by one step and returns the loss."""
    optimizer = make_optimizer("adam_transformer", model.parameters(), 1e-4)
    loss_of = torch.compile(model.loss) if compiled else model.loss
    device = batch.source.device.type

    def step() -> Tensor:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def cached(model: Transformer, batch: PairBatch, num_tokens: int) -> list:
    """Greedy decoding with keys and values kept."""
    state = model.start(batch.source, batch.source_mask)
    return _search(model.step, state, num_tokens)


def uncached(model: Transformer, batch: PairBatch, num_tokens: int) -> list:
    """The source is read once; the decoder reads all words so far at each step."""

    def step(ids: Tensor, state: tuple) -> tuple[Tensor, tuple]:
        words, memory, mask = state
        words = torch.cat([words, ids[:, None]], dim=1)
        tokens = model.target_positions(model.target_embedding(words))
        projected = model.decoder.project_source(memory)
        tokens, _ = model.decoder(tokens, projected, mask[:, None])
        return model.output_proj(tokens[:, -1]), (words, memory, mask)

    nonpad = nonpad_indices(batch.source_mask, batch.num_source_tokens)
    memory = model.encode(batch.source, batch.source_mask, nonpad)
    return _search(step, (batch.source[:, :0], memory, batch.source_mask), num_tokens)


def _search(step: Callable, state: tuple, num_tokens: int) -> list:
    ends = {"bos": BOS, "eos": EOS, "max_tokens": num_tokens}
    return [one.tokens for one in greedy_search(step, state, batch_size=64, **ends)]


def in_turns(
    works: list[Callable[[], object]], options: argparse.Namespace, rounds: int
) -> list[list[float]]:
    """Seconds of each work, round by round, one after the other in each round."""
    clock = time.process_time if options.cpu_time else time.perf_counter
    steps = {str(number): work for number, work in enumerate(works)}
    times = seconds_in_turns(steps, rounds=rounds, warm_up=2, clock=clock)
    return list(times.values())


def show(label: str, ours: list[float], theirs: list[float]) -> None:
    """Print the ratios of two series of times."""
    milliseconds = 1000 * statistics.median(ours)
    print(f"{label:32} {ratio(ours, theirs)}; ours {milliseconds:.1f} ms")


def main() -> None:
    """Take the times in turns; print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--no-decoding", action="store_true", help="training alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="our loss, compiled too")
    parser.add_argument("--cpu-time", action="store_true", help="on a busy machine")
    parser.add_argument("--peak", type=float, help="the device's bfloat16 TFLOP/s")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(machine(options.device))
    for size in options.sizes:
        for dropout in 0.0, 0.1:
            torch.manual_seed(options.seed)
            train(size, dropout, options)
        if not options.no_decoding:
            decode(size, options)


def make_model(size: str, dropout: float) -> Transformer:
    """A model of one of the sizes."""
    embed, heads, hidden, layers, _, longest, vocab = SIZES[size]
    return Transformer(
        TransformerConfig(
            source_vocab=vocab,
            target_vocab=vocab,
            embed_dim=embed,
            num_heads=heads,
            hidden_dim=hidden,
            num_layers=layers,
            dropout=dropout,
            max_positions=longest + 1,
        )
    )


def train(size: str, dropout: float, options: argparse.Namespace) -> None:
    """Training steps of our model and of the peer."""
    rows, longest, vocab = SIZES[size][4:]
    ours = make_model(size, dropout)
    theirs = Peer(ours).to(options.device)
    ours.to(options.device)
    batch = make_batch(rows, longest, vocab).to(options.device)
    for mode in (False, True) if dropout == 0.0 else (False,):
        both = (model.train(mode).loss(batch) for model in (ours, theirs))
        torch.testing.assert_close(*both)
    ours.train()
    theirs.train()
    flops, of_peer = (count_flops(model, batch) for model in (ours, theirs))
    steps = [make_step(ours, batch, False), make_step(theirs, batch, False)]
    if options.compile:
        steps.append(make_step(ours, batch, True))
    times = in_turns(steps, options, options.rounds)
    if dropout == 0.0 and not options.compile:  # trained side by side: equal still
        torch.testing.assert_close(
            ours.loss(batch), theirs.loss(batch), rtol=1e-2, atol=1e-2
        )
    show(f"{size}, dropout {dropout}", times[0], times[1])
    print(f"  by floating-point operations {flops / of_peer:.2f}")
    for label, own in zip(("plain", "compiled"), times[::2], strict=False):
        seconds = statistics.median(own)
        print(f"  {label}: {batch.num_tokens / seconds:,.0f} target tokens/s", end="")
        print(f", {flops / seconds / 1e12:.3f} TFLOP/s", end="")
        if options.peak is not None:
            print(f", {flops / seconds / 1e12 / options.peak:.1%} of the peak", end="")
        print()


def count_flops(model: nn.Module, batch: PairBatch) -> int:
    """Operations of the products of matrices in a loss and its gradients."""
    with FlopCounterMode(display=False) as counter:
        model.loss(batch).backward()
    return counter.get_total_flops()


def decode(size: str, options: argparse.Namespace, num_tokens: int = 32) -> None:
    """Greedy decoding of 64 sentences, with keys and values kept and not."""
    longest, vocab = SIZES[size][5:]
    model = make_model(size, 0.0).to(options.device).eval()
    model.target_positions = type(model.target_positions)(
        num_tokens + 1, model.config.embed_dim
    ).to(options.device)
    batch = make_batch(64, longest, vocab).to(options.device)
    with torch.no_grad():
        # A logit of 0 is never the largest of thousands: no sentence ends early.
        model.output_proj.weight[EOS] = 0.0
        words = cached(model, batch, num_tokens)
        if words != uncached(model, batch, num_tokens):
            raise SystemExit("decoding with and without the cache gives other words")
        if any(len(one) < num_tokens for one in words):
            raise SystemExit("a sentence ended early")
        works = [lambda: cached(model, batch, num_tokens)]
        works.append(lambda: uncached(model, batch, num_tokens))
        times = in_turns(works, options, max(2, options.rounds // 4))
    show(f"{size}, decoding, cached", *times)


if __name__ == "__main__":
    main()
