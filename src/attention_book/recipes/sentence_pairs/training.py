"""Train models of sentence pairs, measure them on the way, read their features."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.sentence_pairs.pairs import SentencePairBatch
from attention_book.evaluation.scores import score_all
from attention_book.models.abcnn.config import ABCNNConfig
from attention_book.models.abcnn.model import ABCNN
from attention_book.models.mpcnn.config import MPCNNConfig
from attention_book.models.mpcnn.model import MPCNN
from attention_book.recipes.sentence_pairs.comparison import main_measure, measure
from attention_book.recipes.sentence_pairs.tasks import PairTask
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import History, fit
from attention_book.training.runtime import seed_everything
from attention_book.training.watch import Watch

_HELD_OUT = ("dev", "test")


@dataclass(frozen=True, kw_only=True)
class PairTraining:
    """How to train.

    Attributes:
        epochs: runs through the training pairs.
        batch_size: pairs in a batch.
        learning_rate: of the optimizer.
        optimizer: its name, as for :func:`attention_book.training.loop.fit`.
        device: "auto", "cpu", "cuda" or a device.
        evaluations: how often in an epoch a run is measured on dev and on test, for
            :func:`train_abcnn`.
        keep: what :func:`fit_mpcnn` keeps: "best", the epoch with the lowest loss on
            dev, or "last", the last one. Then dev chooses nothing, and the main measure
            on it is followed in place of the loss.
        checkpoints: give each run, by its name and seed, its file.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adam"
    device: str | torch.device = "auto"
    evaluations: int = 1
    keep: Literal["best", "last"] = "best"
    checkpoints: CheckpointFiles = no_checkpoints


@dataclass(frozen=True)
class EvaluatedRun:
    """What was measured in training, and when the model was best.

    Attributes:
        curve: the measures of the task on dev and on test, at each evaluation.
        scores: at each evaluation, the scores of all pairs of dev and of test.
    """

    curve: Float[np.ndarray, "evaluations parts measures"]
    scores: list[dict[str, Float[np.ndarray, " pairs"]]]

    @property
    def main_curves(self) -> dict[str, Float[np.ndarray, " evaluations"]]:
        """The main measure on "dev" and on "test" at each evaluation."""
        return dict(zip(_HELD_OUT, self.curve[:, :, 0].T, strict=True))

    def best(self, part: str) -> int:
        """Return the number of the evaluation with the best first measure on a part."""
        return int(self.curve[:, _HELD_OUT.index(part), 0].argmax())

    def measures(self, part: str, *, chosen_by: str = "dev") -> list[float]:
        """Return the measures on a part at the time that was best on a part.

        Args:
            part: "dev" or "test".
            chosen_by: the part that chooses the time.
        """
        return self.curve[self.best(chosen_by), _HELD_OUT.index(part)].tolist()

    def scores_at_best(
        self, part: str, *, chosen_by: str = "dev"
    ) -> Float[np.ndarray, " pairs"]:
        """Return the scores of a part's pairs at the time that was best on a part."""
        return self.scores[self.best(chosen_by)][part]


def fit_mpcnn(
    task: PairTask,
    training: PairTraining,
    *,
    seed: int,
    prepare: Callable[[MPCNN], Any] | None = None,
    name: str = "MPCNN",
    **sizes: Any,
) -> tuple[MPCNN, History]:
    """Train an MPCNN.

    Batches hold pairs of similar length; the order of the batches is random.

    Args:
        task: classes or grades.
        training: how to train, and which epoch's weights the model keeps.
        seed: of the weights, the dropout and the order of the batches.
        prepare: changes the model before it is trained; None: nothing does.
        name: of the run, apart from its seed.
        **sizes: settings of :class:`attention_book.models.mpcnn.config.MPCNNConfig`
            other than ``embed_dim`` and ``grades``, which the task knows.

    Returns:
        The model, and the losses of all epochs.
    """
    seed_everything(seed)
    config = MPCNNConfig(embed_dim=task.matrix.shape[1], grades=task.grades, **sizes)
    model = MPCNN(config, task.matrix)
    if prepare is not None:
        prepare(model)
    size, device = training.batch_size, training.device

    def follow(model: nn.Module) -> tuple[float, float]:
        score = main_measure(task, pair_scores(model, task, "dev"), "dev")
        return -score, score  # nothing is chosen, so that no loss is needed

    watched: dict[str, Any] = {"dev_measure": follow, "keep": "last"}
    if training.keep == "best":
        dev = task.loader("dev", batch_size=size, by_length=True)
        watched = {"dev_loader": dev}
    history = fit(
        model,
        task.loader("train", batch_size=size, seed=seed, by_length=True),
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        optimizer=training.optimizer,
        device=device,
        checkpoint=training.checkpoints(f"{name}, seed {seed}"),
        description=f"{name}, seed {seed}",
        **watched,
    )
    return model, history


def train_mpcnn(
    task: PairTask, training: PairTraining, *, seed: int, **options: Any
) -> MPCNN:
    """Return the model of :func:`fit_mpcnn` alone."""
    return fit_mpcnn(task, training, seed=seed, **options)[0]


def build_abcnn(
    task: PairTask,
    variant: str,
    *,
    seed: int,
    batch_size: int,
    start: float | None = 5.0,
    set_bias: bool = True,
    **sizes: Any,
) -> ABCNN:
    """Make an ABCNN whose last layer trusts its cosines from the start.

    Args:
        task: a ranking, or classes.
        variant: as in :class:`attention_book.models.abcnn.config.ABCNNConfig`.
        seed: of the weights.
        batch_size: pairs in a batch of the training part; the bias is set on the one in
            the middle.
        start: first weight of each cosine in the last layer, 0 for all other features;
            None: small random weights, as PyTorch draws them.
        set_bias: whether the bias is set so that the mean logit is that of the share of
            right answers.
        **sizes: further settings of the config.
    """
    seed_everything(seed)
    config = ABCNNConfig(
        embed_dim=task.matrix.shape[1],
        variant=variant,
        extra_features=task.num_features,
        **sizes,
    )
    model = ABCNN(config, task.matrix)
    last, num_cosines = model.output_proj, 1 + config.num_blocks
    batches = task.batches("train", batch_size=batch_size).batches
    batch = batches[len(batches) // 2]
    share = task.labels("train").mean()
    with torch.no_grad():
        if start is not None:
            last.weight.zero_()
            last.weight[0, :num_cosines] = start
        if set_bias:
            wanted = math.log(share / (1 - share))
            last.bias.add_(wanted - model.score(batch).mean())
    return model


def train_abcnn(
    task: PairTask,
    model: ABCNN,
    training: PairTraining,
    *,
    seed: int,
    name: str = "ABCNN",
) -> EvaluatedRun:
    """Train an ABCNN, measure it on the way, and go back to where dev was best.

    Batches hold pairs of similar length; the order of the batches is random.

    Args:
        task: a ranking, or classes.
        model: from :func:`build_abcnn`; it is trained and left in eval mode.
        training: how to train.
        seed: of the order of the batches.
        name: of the run, apart from its seed.
    """
    size = training.batch_size
    loader = task.loader("train", batch_size=size, seed=seed, by_length=True)
    trained = [p for p in model.parameters() if p.requires_grad]
    total = training.epochs * len(loader)
    times = np.linspace(0, total, training.epochs * training.evaluations + 1)
    times = times.astype(int)[1:]

    def evaluate(step: int) -> tuple[dict[str, Tensor], list[Tensor]]:
        found = {part: pair_scores(model, task, part) for part in _HELD_OUT}
        scores = {part: torch.from_numpy(values) for part, values in found.items()}
        return scores, [parameter.detach().clone() for parameter in trained]

    watch = Watch(evaluate, at=times.__contains__)
    fit(
        model,
        loader,
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        optimizer=training.optimizer,
        device=training.device,
        checkpoint=training.checkpoints(f"{name}, seed {seed}"),
        on_step=watch,
        description=f"{name}, seed {seed}",
    )
    watch.take(total)
    scores = [
        {part: values.numpy() for part, values in found.items()}
        for found, _ in watch.values
    ]
    states = [weights for _, weights in watch.values]
    curve = [
        [list(measure(task, found, part).values()) for part, found in at_once.items()]
        for at_once in scores
    ]
    run = EvaluatedRun(np.array(curve), scores)
    with torch.no_grad():
        for parameter, value in zip(trained, states[run.best("dev")], strict=True):
            parameter.copy_(value)
    return run


def pair_scores(
    model: nn.Module,
    task: PairTask,
    part: str = "test",
    *,
    change: Callable[[SentencePairBatch], SentencePairBatch] | None = None,
) -> Float[np.ndarray, " pairs"]:
    """Return a model's score of each pair of a part, in the order of the data.

    Args:
        model: has ``.score(batch)``; it stays on its device and is left in eval mode.
        task: the data.
        part: "train", "dev" or "test".
        change: what is done to each batch before; None: nothing.
    """
    batches = task.batches(part)
    if change is not None:
        batches = replace(batches, batches=[change(batch) for batch in batches])
    device = next(model.parameters()).device
    return batches.in_data_order(score_all(model, batches, device=device))


@torch.no_grad()
def pair_features(
    model: ABCNN | MPCNN, task: PairTask, part: str
) -> Float[np.ndarray, "pairs features"]:
    """Return what a model's last layers read of each pair, in the order of the data.

    Args:
        model: has ``.features(batch)``; it is left in eval mode.
        task: the data.
        part: "train", "dev" or "test".
    """
    model.eval()
    batches, device = task.batches(part), next(model.parameters()).device
    rows = [model.features(batch.to(device)).cpu() for batch in batches]
    return batches.in_data_order(torch.cat(rows).numpy())
