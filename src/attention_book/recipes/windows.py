"""Where local attention looks: reach of a window, learned centres, missed links."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.attention.global_local.scores import compared_keys
from attention_book.attention.global_local.window import gaussian, window_positions
from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.evaluation.alignment import Link
from attention_book.evaluation.cost import kept_bytes, seconds_in_turns
from attention_book.models.global_local import LuongTranslator
from attention_book.observe import record_weights
from attention_book.recipes.systems import result_prefix
from attention_book.recipes.translation import (
    Measured,
    TrainingPlan,
    TranslationTask,
    all_links,
    crossing_links,
)
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.watch import Watch

_UNFED: dict[str, dict[str, Any]] = {
    "dot": {"score": "dot"},
    "general": {"score": "general"},
    "concat": {"score": "concat"},
    "location": {"score": "location"},
    "local-m": {"attention": "local-m", "score": "general", "window": 10},
    "local-p": {"attention": "local-p", "score": "general", "window": 10},
}
LUONG_SYSTEMS = _UNFED | {
    f"{name} with feeding": options | {"input_feeding": True}
    for name, options in _UNFED.items()
}
"""The systems of the full preset by name, as options of a
:class:`attention_book.models.global_local.LuongConfig`; local ones have the paper's
window and the score that was best there. "location" needs ``max_source`` besides."""


def share_within(links: Collection[Link], window: int) -> float:
    """Share of links whose positions differ by at most ``window`` tokens.

    Those are all that local-m attention can make. Of no links it is 1.

    Example:
        >>> share_within([(0, 0), (3, 2), (2, 4), (5, 5)], 1)
        0.75
    """
    hits = [abs(source - target) <= window for source, target in links]
    return sum(hits) / len(hits) if hits else 1.0


@dataclass(frozen=True, eq=False)
class WindowRun:
    """A translator trained with one kind of attention, and what it reached.

    Attributes:
        model: after the last stage of its training.
        measured: on the test set; without attention it has no links and no rates.
        seconds: of training, all stages together.
        steps: numbers of optimizer steps after which the centres were looked at.
        centres: for each of these, :math:`p_t` of the watched pairs; empty where no
            centre is predicted.
    """

    model: LuongTranslator
    measured: Measured
    seconds: float
    steps: list[int]
    centres: list[Float[Tensor, "batch target_tokens"]]

    def values(self, prefix: str) -> dict[str, float]:
        """Exact match and alignment error rates by name, NaN left out.

        Args:
            prefix: start of each name, for instance
                :func:`attention_book.recipes.systems.result_prefix`.
        """
        found = {"exact": float(self.measured.exact.mean())}
        found |= {f"aer {kind}": rate for kind, rate in self.measured.rates.items()}
        return {
            result_prefix(prefix, name): float(value)
            for name, value in found.items()
            if not math.isnan(value)
        }

    def distances(
        self,
        pairs: Sequence[Pair],
        kinds: Mapping[str, Callable[[Pair], Collection[Link]]],
    ) -> dict[str, list[float]]:
        """For each look, mean distances of the centres: :func:`centre_distances`.

        Args:
            pairs: those that were watched.
            kinds: of links.
        """
        looks = [centre_distances(look, pairs, kinds) for look in self.centres]
        return {kind: [look[kind] for look in looks] for kind in kinds}


@dataclass(frozen=True, eq=False)
class _Stage:
    model: LuongTranslator
    seconds: float
    watch: Watch | None
    num_steps: int


def train_windows(
    task: TranslationTask,
    plan: TrainingPlan,
    build: Callable[..., LuongTranslator],
    arms: Mapping[str, tuple[str, Sequence[int | None]]],
    *,
    epochs: int,
    seed: int,
    kinds: Mapping[str, Callable[[Pair], Collection[Link]]],
    watched: Sequence[Pair] = (),
    every: int = 16,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[str, WindowRun]:
    """Train translators that differ in the kind of attention or its window alone.

    Training has stages, each with a learning rate that falls to 0; every stage goes on
    from the weights of the one before it. The window is no parameter, so that it may
    differ from stage to stage. Two arms that begin alike share what they have in
    common.

    Args:
        task: what is learned.
        plan: how.
        build: makes a model from options of its config, always with the same weights.
        arms: by name, the kind of attention ("global", "local-m", "local-p", or
            "none", the control of :func:`without_context`) and :math:`D` of each stage
            in tokens, None where there is no window.
        epochs: of all stages together; each has at least one.
        seed: of the order of the pairs, the same for each stage.
        kinds: of links, as for :meth:`TranslationTask.measure`.
        watched: pairs whose predicted centres are looked at during training.
        every: optimizer steps between two such looks.
        checkpoints: give each stage its file.
    """
    stages: dict[tuple[str, tuple[int | None, ...]], _Stage] = {}
    batch = task.batch(watched) if watched else None
    runs = {}
    for name, (attention, windows) in arms.items():
        own: list[_Stage] = []
        for number, own_epochs in enumerate(stage_epochs(epochs, len(windows))):
            key = attention, tuple(windows[: number + 1])
            if key not in stages:
                label = ", ".join([attention, *(f"D {window}" for window in key[1])])
                stages[key] = _train_stage(
                    task,
                    plan,
                    build,
                    attention,
                    windows[number],
                    own[-1] if own else None,
                    {"epochs": own_epochs, "seed": seed, "description": label},
                    (batch, every),
                    checkpoints(f"{'-'.join(task.languages)} {label}"),
                )
            own.append(stages[key])
        steps, centres, before = [], [], 0
        for stage in own:
            if stage.watch is not None:
                steps += [before + step for step in stage.watch.steps]
                centres += stage.watch.values
            before += stage.num_steps
        model = own[-1].model
        measured = task.measure(model, {} if attention == "none" else kinds)
        seconds = sum(stage.seconds for stage in own)
        runs[name] = WindowRun(model, measured, seconds, steps, centres)
    return runs


def _train_stage(
    task: TranslationTask,
    plan: TrainingPlan,
    build: Callable[..., LuongTranslator],
    attention: str,
    window: int | None,
    before: _Stage | None,
    run: dict[str, Any],
    watched: tuple[PairBatch | None, int],
    checkpoint: Path | None,
) -> _Stage:
    kind = "global" if attention == "none" else attention
    model = build(attention=kind, window=window)
    if before is not None:
        model.load_state_dict(before.model.state_dict())
    if attention == "none":
        without_context(model)
    batch, every = watched
    watch = None
    if batch is not None and attention == "local-p":
        watch = Watch(
            lambda _step: window_centres(model, batch),
            at=lambda step: step % every == 0,
        )
    history = task.fit(model, plan, checkpoint=checkpoint, on_step=watch, **run)
    num_steps = len(history.step_loss)
    if watch is not None and num_steps not in watch.steps:
        watch.take(num_steps)
    return _Stage(model, history.seconds, watch, num_steps)


def stage_epochs(epochs: int, num_stages: int) -> list[int]:
    """Divide epochs into stages, each about equally long and at least one.

    Example:
        >>> stage_epochs(5, 2), stage_epochs(1, 2)
        ([2, 3], [1, 1])
    """
    share = max(1, epochs // num_stages)
    return [share] * (num_stages - 1) + [max(1, epochs - share * (num_stages - 1))]


def without_context(model: LuongTranslator) -> LuongTranslator:
    """Replace the context by zeros, in training and in use: the control of attention.

    The decoder keeps all else, the encoder's last state included.

    Args:
        model: it is changed, and returned.
    """
    model.decoder.attention.register_forward_hook(
        lambda _layer, _inputs, output: (torch.zeros_like(output[0]), output[1])
    )
    return model


@torch.no_grad()
def window_centres(
    model: LuongTranslator, batch: PairBatch
) -> Float[Tensor, "batch target_tokens"] | None:
    """The centres of a model's windows, under teacher forcing.

    Args:
        model: a translator with global or local attention; it is left in eval mode.
        batch: on the model's device.

    Returns:
        :math:`p_t` of each target token, a position from 0, on the CPU: what local-p
        computes, or for local-m the number of the step, as far as the source has words.
        None for global attention, which has no windows.
    """
    if not isinstance(model.decoder.attention, LocalAttention):
        return None
    predicted = model.decoder.attention.centre
    if predicted is None:
        steps = torch.arange(batch.target.shape[1] - 1)
        last = batch.source_mask.sum(dim=1).cpu() - 1
        return torch.minimum(steps, last[:, None]).float()
    centres: list[Tensor] = []
    with predicted.register_forward_hook(
        lambda _layer, _inputs, p: centres.append(p.cpu())
    ):
        model.eval().loss(batch)
    return torch.cat(centres, dim=1)


@torch.no_grad()
def all_scores(
    model: LuongTranslator, batch: PairBatch
) -> Float[Tensor, "batch target_tokens source_tokens"]:
    """Score every source token at every step, those outside of the window included.

    Args:
        model: a translator with global or local attention; it is left in eval mode.
        batch: on the model's device; read under teacher forcing.

    Returns:
        Scores before the softmax, on the CPU.
    """
    found: list[Tensor] = []

    def keep(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        query, key = inputs[:2]
        score: Any = layer.score
        found.append(score(query, compared_keys(score, query, key, key, None)).cpu())

    with model.decoder.attention.register_forward_pre_hook(keep):
        model.eval().loss(batch)
    return torch.cat(found, dim=1)


@dataclass(frozen=True)
class CentreScores:
    """How predicted centres agree with the true links; NaN where there are none.

    Attributes:
        distance: mean distance of the centre from the linked source word, in tokens,
            over the links that cross another one.
        step_distance: the same for the number of the step, the centre of local-m.
        correlation: mean over the sentences with four links or more of the correlation
            of centre and linked position.
        num_back: number of steps from one linked word to the next at which the true
            position goes back.
        back: share of these at which the centre goes back too.
        false_back: share of the other steps at which it goes back.
    """

    distance: float
    step_distance: float
    correlation: float
    num_back: int
    back: float
    false_back: float


def score_centres(
    centres: Float[Tensor, "batch target_tokens"], pairs: Sequence[Pair]
) -> CentreScores:
    """Compare predicted centres with the true links of their sentences.

    Args:
        centres: as from :func:`window_centres`, for the same pairs.
        pairs: pairs whose alignment is known.
    """
    distances: list[tuple[float, float]] = []
    back: list[bool] = []
    forward: list[bool] = []
    correlations: list[float] = []
    for row, pair in zip(centres, pairs, strict=True):
        distances += [
            (abs(row[target].item() - source), abs(target - source))
            for source, target in crossing_links(pair)
        ]
        links = sorted(all_links(pair), key=lambda link: link[1])
        for (source, target), (next_source, next_target) in pairwise(links):
            steps = back if next_source < source else forward
            steps.append((row[next_target] < row[target]).item())
        if len(links) >= 4:
            found = row[[target for _, target in links]]
            truth = [source for source, _ in links]
            correlations.append(np.corrcoef(found, truth)[0, 1])
    mean = np.mean(distances or [(math.nan, math.nan)], axis=0)
    return CentreScores(
        distance=float(mean[0]),
        step_distance=float(mean[1]),
        correlation=float(np.mean(correlations or [math.nan])),
        num_back=len(back),
        back=_share(back),
        false_back=_share(forward),
    )


def centre_distances(
    centres: Float[Tensor, "batch target_tokens"],
    pairs: Sequence[Pair],
    kinds: Mapping[str, Callable[[Pair], Collection[Link]]],
) -> dict[str, float]:
    """Mean distance in tokens of the centres from the true source words.

    Args:
        centres: as from :func:`window_centres`, for the same pairs.
        pairs: pairs whose alignment is known.
        kinds: by name, a function that chooses true links of a pair.

    Returns:
        By name; NaN where there is no link of a kind.

    Example:
        >>> pair = Pair(("a", "b"), ("A", "B"), frozenset({(0, 0), (1, 1)}))
        >>> centre_distances(torch.tensor([[0.5, 0.75]]), [pair], {"all": all_links})
        {'all': 0.375}
    """
    found: dict[str, float] = {}
    for name, choose in kinds.items():
        distances = [
            abs(row[target].item() - source)
            for row, pair in zip(centres, pairs, strict=True)
            for source, target in choose(pair)
        ]
        found[name] = sum(distances) / len(distances) if distances else math.nan
    return found


class MissedLink(NamedTuple):
    """A true link that a model does not make.

    Attributes:
        word: the target word.
        offset: how many positions to the right of the true source word it looks.
        at_end: whether it looks at the end mark of the source.
    """

    word: str
    offset: int
    at_end: bool


def missed_links(
    links: Sequence[Collection[Link]], pairs: Sequence[Pair]
) -> list[MissedLink]:
    """The true links that a model does not make.

    Args:
        links: the links that a model made, one for each target word.
        pairs: pairs whose alignment is known.

    Example:
        >>> pair = Pair(("a", "b"), ("A", "B"), frozenset({(0, 0), (1, 1)}))
        >>> missed_links([{(0, 0), (0, 1)}], [pair])
        [MissedLink(word='B', offset=-1, at_end=False)]
    """
    missed = []
    for found, pair in zip(links, pairs, strict=True):
        linked = {target: source for source, target in found}
        for source, target in all_links(pair):
            if linked[target] != source:
                at, word = linked[target], pair.target[target]
                missed.append(MissedLink(word, at - source, at == len(pair.source)))
    return missed


def step_cost(
    layer: GlobalAttention | LocalAttention, length: int, *, rounds: int = 30
) -> tuple[float, int]:
    """What one decoder step of attention costs, for 16 sentences on the CPU.

    Queries and keys have 64 components; a window of local-m stands in the middle.

    Args:
        layer: of ``query_dim`` and ``key_dim`` 64.
        length: source tokens of each sentence.
        rounds: how often the step is timed; the fastest counts.

    Returns:
        Seconds of a step without gradients, and bytes that a step with gradients keeps
        for the backward pass, besides keys and parameters.
    """
    query = torch.randn(16, 1, 64, requires_grad=True)
    keys = torch.randn(16, length, 64)
    place = {}
    if isinstance(layer, LocalAttention):
        middle = torch.full((16, 1), length // 2)
        place = {"length": torch.full((16, 1), length), "step": middle}

    def step() -> Tensor:
        return layer(query, keys, keys, **place)[0]

    memory = kept_bytes(step, given=(keys, *layer.parameters()))
    with torch.no_grad():
        times = seconds_in_turns({"step": step}, rounds=rounds, warm_up=0)
    return min(times["step"]), memory


def centre_gradient(
    *, rounded: bool = False, curve: bool = True, scaled: bool = False
) -> float:
    """Derivative of the context's first component in the centre, for one fixed query.

    A query over nine random keys of four components, with :math:`p = 4.3` and
    :math:`D = 2`; the options change what the paper does.

    Args:
        rounded: whether the centre is rounded to the nearest position.
        curve: whether the weights are multiplied by the Gaussian.
        scaled: whether the weights are then scaled to sum to 1.
    """
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    query = torch.randn(4, generator=generator, dtype=torch.float64)
    centre = torch.tensor(4.3, dtype=torch.float64, requires_grad=True)
    used = (centre.round() if rounded else centre)[None, None]
    positions, inside = window_positions(used, 2, len(keys))
    window = keys[positions[0, 0][inside[0, 0]]]
    weights = (window @ query).softmax(dim=0)
    if curve:
        weights = weights * gaussian(positions, used, 2)[inside]
    if scaled:
        weights = weights / weights.sum()
    context = weights @ window
    if not context.requires_grad:
        return 0.0  # nothing that the centre could reach
    (gradient,) = torch.autograd.grad(context[0], centre)
    return gradient.item()


@torch.no_grad()
def misuse_losses(model: LuongTranslator, batch: PairBatch) -> dict[str, float]:
    """Use a trained local-p model in ways that it was not trained for.

    Args:
        model: a translator with predicted centres; it is left in eval mode.
        batch: on the model's device; read under teacher forcing.

    Returns:
        By what is changed, the loss in nats per token: nothing; the centre rounded, in
        the middle of the sentence, or moved to the right by :math:`D`; the weights
        normalised to sum to 1.

    Raises:
        ValueError: if the model predicts no centres.
    """
    attention, window = model.decoder.attention, model.config.window
    centre = getattr(attention, "centre", None)
    if centre is None or window is None:
        raise ValueError("model must predict the centres of its windows: local-p")

    def loss_with(layer: nn.Module, change: Callable[..., Any]) -> float:
        with layer.register_forward_hook(change):
            return model.eval().loss(batch).item()

    def normalised(_layer: nn.Module, _inputs: Any, output: Any) -> Any:
        context, weights = output
        return context / weights.sum(-1, keepdim=True).clamp(min=1e-9), weights

    losses = {
        "as trained": loss_with(centre, lambda _l, _i, p: p),
        "p rounded": loss_with(centre, lambda _l, _i, p: p.round()),
        "p in the middle": loss_with(centre, lambda _l, i, p: 0 * p + i[1] / 2),
        "p moved by D": loss_with(centre, lambda _l, _i, p: p + window),
    }
    with record_weights(model):  # so that the layer computes its weights at all
        losses["weights normalised"] = loss_with(attention, normalised)
    return losses


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan
