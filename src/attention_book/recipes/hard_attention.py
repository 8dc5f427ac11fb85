"""Hard attention, watched: where it looks, and how much its gradient scatters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from attention_book.data.captions.captions import CaptionBatch
from attention_book.data.captions.digit_scenes import COLUMNS, ROWS, DigitScene
from attention_book.data.vocab import BOS, EOS
from attention_book.decoding.search import greedy_search
from attention_book.models.soft_hard import (
    BASELINES,
    CaptionState,
    ShowAttendTell,
    other_draws,
)
from attention_book.recipes.captions import (
    CaptionScores,
    CaptionTask,
    CaptionTraining,
    build_captioner,
    pointing,
    score_captioner,
    train_captioner,
)
from attention_book.training.loop import History
from attention_book.training.watch import Watch

QUARTERS = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
"""The quarters of an image, row by row."""


SETTING: dict[str, Any] = {
    "num_draws": 2,
    "baseline": "other draws",
    "reward_scale": 1.0,
    "entropy_weight": 0.02,
    "expected_p": 0.0,
    "glance": False,
}
"""Hard attention as this chapter trains it: it sees drawn locations and nothing else,
and each draw is judged by the other draw of its image."""

AUTHORS: dict[str, Any] = {
    "num_draws": 1,
    "baseline": "moving average",
    "reward_scale": 0.1,
    "entropy_weight": 0.002,
    "expected_p": 0.5,
}
"""Hard attention as in the authors' code."""

WARM_UP = 1 / 3
"""Part of the training before rewards count, in the chapter's setting."""

LONG = 3
"""How many times as long the longest captioners are trained."""


class CaptionArm(NamedTuple):
    """One captioner of the comparison.

    Attributes:
        label: in a table.
        kind: of a :class:`attention_book.models.soft_hard.ShowAttendTellConfig`.
        terms: other fields of it.
        warm_up: part of the training before rewards count.
        share: how long it is trained, in units of the others' training.
        wide: whether it looks at larger images.
    """

    label: str
    kind: str
    terms: dict[str, Any]
    warm_up: float = 0.0
    share: float = 1
    wide: bool = False


def _hard(label: str, *, warm_up: float = WARM_UP, **changes: Any) -> CaptionArm:
    """The chapter's setting with some changes, of the arm or of its terms."""
    arm = {name: changes.pop(name) for name in ("share", "wide") if name in changes}
    return CaptionArm(label, "hard", SETTING | changes, warm_up, **arm)


_OFF = {"reward_scale": 0.0}
_SOFT = {"glance": False, "penalty": 0.0}

ARMS = {
    "mean": CaptionArm("mean annotation", "mean", {"glance": False}),
    "soft": CaptionArm("soft", "soft", _SOFT),
    "hard": _hard("hard"),
    "no_reinforce": _hard("hard, no REINFORCE", **_OFF),
    "neither": _hard("hard, no REINFORCE, no entropy", **_OFF, entropy_weight=0.0),
    "moving_average": _hard("hard, a moving average", baseline="moving average"),
    "no_baseline": _hard("hard, no baseline", baseline="none"),
    "no_warm_up": _hard("hard, no warm-up", warm_up=0.0),
    "glance": _hard("hard, with the first glance", glance=True),
    "wide": _hard("hard, 64 locations", wide=True),
    "wide_no_reinforce": _hard("hard, 64 locations, no REINFORCE", wide=True, **_OFF),
    "long": _hard(f"hard, {LONG} times as long", share=LONG),
    "long_soft": CaptionArm(f"soft, {LONG} times as long", "soft", _SOFT, share=LONG),
    "half_soft": _hard("half soft", expected_p=0.5),
    "half_soft_no_reinforce": _hard("half soft, no REINFORCE", expected_p=0.5, **_OFF),
    "straight_through": CaptionArm("straight-through", "gumbel", {"glance": False}),
    "penalty": CaptionArm("soft, with the penalty", "soft", _SOFT | {"penalty": 1.0}),
    "no_gate": CaptionArm("soft, no gate", "soft", _SOFT | {"gate": False}),
    "authors": CaptionArm("authors' hard", "hard", AUTHORS),
    "authors_no_reinforce": CaptionArm(
        "authors' hard, no REINFORCE", "hard", AUTHORS | _OFF
    ),
    "authors_soft": CaptionArm("authors' soft", "soft", {"penalty": 1.0}),
    "authors_mean": CaptionArm("mean annotation, with the first glance", "mean", {}),
}
"""By name, the captioners of the comparison."""

COMPARISONS = {
    "REINFORCE": ("hard", "no_reinforce"),
    "the entropy term, without REINFORCE": ("no_reinforce", "neither"),
    "REINFORCE, among 64 locations": ("wide", "wide_no_reinforce"),
    "REINFORCE, half soft": ("half_soft", "half_soft_no_reinforce"),
    "REINFORCE, authors' setting": ("authors", "authors_no_reinforce"),
    "the other draw, not a moving average": ("hard", "moving_average"),
    "a moving average, not no baseline": ("moving_average", "no_baseline"),
    "a warm-up": ("hard", "no_warm_up"),
    "a first glance": ("glance", "hard"),
    "16 locations, not 64": ("hard", "wide"),
    f"hard, {LONG} times as long": ("long", "hard"),
    f"soft, {LONG} times as long": ("long_soft", "soft"),
    "soft, not hard": ("soft", "hard"),
    f"soft, not hard, {LONG} times as long": ("long_soft", "long"),
    "the penalty": ("penalty", "soft"),
    "the gate": ("soft", "no_gate"),
}
"""Pairs of :data:`ARMS` that differ in one thing, by what the first one has."""


class Trained(NamedTuple):
    """A captioner that was trained.

    Attributes:
        model: the captioner.
        history: of its training.
        watch: of its pointing, see :func:`watch_pointing`.
    """

    model: ShowAttendTell
    history: History
    watch: Watch


def train_arm(
    name: str,
    task: CaptionTask,
    training: CaptionTraining,
    sizes: Mapping[str, Any],
    *,
    checkpoint: Path | None = None,
    noise: CaptionBatch | None = None,
) -> Trained:
    """Train a captioner of :data:`ARMS`; look at it after every epoch.

    Args:
        name: its name.
        task: with annotations; where no scenes are known nothing is looked at.
        training: how long, in units of the arm's share, and how fast.
        sizes: of the model.
        checkpoint: as for :func:`attention_book.recipes.captions.train_captioner`.
        noise: as for :func:`watch_pointing`.
    """
    arm = ARMS[name]
    epochs = max(1, round(arm.share * training.epochs))
    steps = len(task.loader("train", batch_size=training.batch_size))
    terms = {**sizes, **arm.terms}
    if arm.kind == "hard":
        terms["reward_start"] = round(arm.warm_up * epochs * steps)
    model = build_captioner(task, arm.kind, seed=training.seed, **terms)
    watch = watch_pointing(model, task, every=steps, noise=noise)
    known = isinstance(task.images["dev"][0], DigitScene)
    history = train_captioner(
        model,
        task,
        replace(training, epochs=epochs),
        name,
        checkpoint=checkpoint,
        on_step=watch if known else None,
    )
    if known:
        watch.take(epochs * steps)
    return Trained(model, history, watch)


def score_study(
    tasks: Mapping[bool, CaptionTask],
    training: CaptionTraining,
    sizes: Mapping[str, Any],
    *,
    max_tokens: int,
    checkpoints: Callable[[str], Path | None],
) -> dict[str, CaptionScores]:
    """Train and score all captioners of :data:`ARMS`.

    Args:
        tasks: with annotations, by whether the images are the larger ones.
        training: as for :func:`train_arm`.
        sizes: of the models.
        max_tokens: longest caption in tokens.
        checkpoints: the file for each name, or None.
    """
    scores = {}
    for name, arm in ARMS.items():
        task = tasks[arm.wide]
        model = train_arm(
            name, task, training, sizes, checkpoint=checkpoints(name)
        ).model
        scores[name] = score_captioner(
            model, task, max_tokens=max_tokens, device=training.device
        )
    return scores


class Look(NamedTuple):
    """A caption that a model wrote, and where it looked before each word.

    Attributes:
        words: the caption, with ``<eos>`` if the model ended it.
        weights: one row for each word.
        locations: for each word the location whose annotation a hard decoder saw, or
            that of a soft decoder's largest weight.
    """

    words: list[str]
    weights: Float[Tensor, "words locations"]
    locations: list[int]


@torch.no_grad()
def write_and_look(
    model: ShowAttendTell,
    task: CaptionTask,
    images: Sequence[int],
    *,
    max_tokens: int,
    sample: bool = False,
) -> list[Look]:
    """Caption test images greedily, and note where the model looks.

    Which annotation a hard decoder got tells its location: no two of an image are
    equal, because their last features are their coordinates.

    Args:
        model: a captioner with attention; it is left on the CPU, in eval mode.
        task: with annotations.
        images: numbers of test images; one may occur several times.
        max_tokens: longest caption in tokens, ``<eos>`` included.
        sample: whether hard attention draws its locations; False: it takes the one with
            the largest weight.

    Returns:
        One result for each entry of ``images``.
    """
    annotations = task.annotations["test"][list(images)]
    contexts, weights = [], []

    def note(_module: object, _args: object, output: tuple[Tensor, ...]) -> None:
        contexts.append(output[0])
        weights.append(output[1])

    model.cpu().eval().sample_in_eval = sample
    hook = model.attention.register_forward_hook(note)
    try:
        found = greedy_search(
            model.step,
            model.start(annotations),
            batch_size=len(annotations),
            bos=BOS,
            eos=EOS,
            max_tokens=max_tokens,
        )
    finally:
        hook.remove()
        model.sample_in_eval = False
    seen, steps = torch.cat(contexts, dim=1), torch.cat(weights, dim=1)
    if model.config.kind == "soft":
        chosen = steps.argmax(dim=-1)
    else:
        same = (annotations[:, None] == seen[:, :, None]).all(dim=-1)
        chosen = same.int().argmax(dim=-1)
    looks = []
    for row, hypothesis in enumerate(found):
        words = task.vocab.decode(hypothesis.tokens) + ["<eos>"] * hypothesis.finished
        count = len(words)
        looks.append(Look(words, steps[row, :count], chosen[row, :count].tolist()))
    return looks


def watch_pointing(
    model: ShowAttendTell,
    task: CaptionTask,
    *,
    every: int,
    noise: CaptionBatch | None = None,
    repeats: int = 12,
) -> Watch:
    """Measure a model on the dev scenes while it learns.

    Args:
        model: a captioner; at each look it is put into eval mode and back.
        task: of scenes, with annotations.
        every: optimizer steps from one look to the next.
        noise: captions for which the variance of the gradient is measured as well, of a
            hard captioner; None: it is not.
        repeats: as for :func:`gradient_variances`.

    Returns:
        A watch for ``fit``; its values are dictionaries with "pointing", "mass", "loss"
        (nats per token) and, with ``noise``, a variance for each of the baselines.
    """

    @torch.no_grad()
    def look(_step: int) -> dict[str, float]:
        was_training, device = model.training, model.baseline.device
        batch = task.batch("dev").to(device)
        log_likelihood, result = model.eval().log_likelihood(batch)
        points = pointing(result.weights[:, :-1].cpu(), task.images["dev"])
        found = {"pointing": points.accuracy, "mass": points.mass}
        found["loss"] = -(log_likelihood.sum() / batch.num_tokens).item()
        if noise is not None:
            with torch.enable_grad():
                found |= gradient_variances(model, noise.to(device), repeats=repeats)
        model.train(was_training)
        return found

    return Watch(look, at=lambda step: step % every == 0)


@torch.no_grad()
def write_changed(
    model: ShowAttendTell,
    task: CaptionTask,
    change: Callable[[CaptionState], CaptionState],
    *,
    max_tokens: int,
    device: torch.device,
) -> list[list[str]]:
    """Caption the test images greedily from a changed first state.

    Args:
        model: a captioner; it is left in eval mode on ``device``.
        task: with annotations.
        change: returns the changed state.
        max_tokens: longest caption in tokens, ``<eos>`` included.
        device: where to decode.
    """
    annotations = task.annotations["test"].to(device)
    found = greedy_search(
        model.step,
        change(model.to(device).eval().start(annotations)),
        batch_size=len(annotations),
        bos=BOS,
        eos=EOS,
        max_tokens=max_tokens,
    )
    return [task.vocab.decode(hypothesis.tokens) for hypothesis in found]


def quarters_of_words(scene: DigitScene) -> list[int | None]:
    """For each word of a caption the quarter of its digit, a position in ``QUARTERS``.

    Returns:
        Quarters; None for a word between two digits.
    """
    half = scene.image.shape[0] // 2
    quarters = [2 * (box.top >= half) + (box.left >= half) for box in scene.boxes]
    return [None if owner is None else quarters[owner] for owner in scene.owners]


def quarter_weights(
    weights: Float[Tensor, "*axes locations"],
) -> Float[Tensor, "*axes quarters"]:
    """Sum the weights of each quarter of the image, in the order of :data:`QUARTERS`.

    Args:
        weights: over the locations of a square grid with an even side, row by row.

    Example:
        >>> quarter_weights(torch.eye(16)[[0, 7]]).argmax(dim=-1).tolist()
        [0, 1]
    """
    side = math.isqrt(weights.shape[-1])
    shape = *weights.shape[:-1], 2, side // 2, 2, side // 2
    return weights.reshape(shape).sum(dim=(-3, -1)).flatten(-2)


def gradient_variances(
    model: ShowAttendTell, batch: CaptionBatch, *, repeats: int
) -> dict[str, float]:
    r"""Measure how much the gradient of REINFORCE scatters, with each baseline.

    The gradient is that of the scoring network's parameters,
    :math:`\sum_n (r^n - b) \, \partial \log p(\tilde s^n)` for two draws of each image.
    It is computed from the same draws for all baselines, so that nothing else differs.

    Args:
        model: a hard captioner with a moving average of its rewards; it is left in
            training mode, PyTorch's random state as it was.
        batch: the captions; they stay, only the locations are drawn again.
        repeats: number of draws of the whole gradient, at least two.

    Returns:
        By baseline the variance of the gradient, summed over the parameters.
    """
    parameters = list(model.attention.parameters())
    twice = batch.repeated(2)
    mask = twice.target_mask[:, 1:]
    found: dict[str, list[Tensor]] = {name: [] for name in BASELINES}
    model.train()
    with torch.random.fork_rng():
        for _ in range(repeats):
            log_likelihood, result = model.log_likelihood(twice)
            log_prob = (result.log_prob * mask).sum(dim=1)
            reward = log_likelihood.detach()
            baselines = {
                "none": torch.zeros(()),
                "moving average": model.baseline,
                "other draws": other_draws(reward.view(2, -1)).flatten(),
            }
            for name, baseline in baselines.items():
                mean = ((reward - baseline) * log_prob).mean()
                grads = torch.autograd.grad(mean, parameters, retain_graph=True)
                found[name].append(torch.cat([grad.flatten() for grad in grads]))
    return {name: torch.stack(g).var(dim=0).sum().item() for name, g in found.items()}
