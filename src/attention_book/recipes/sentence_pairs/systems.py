"""Single systems on one data set: trained, and their numbers as a record keeps them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from attention_book.models.abcnn.config import VARIANTS
from attention_book.models.mpcnn.config import LIGHT
from attention_book.models.mpcnn.filters import POOLINGS
from attention_book.models.mpcnn.model import MPCNN
from attention_book.recipes.sentence_pairs.comparison import (
    graded_samples,
    item_quality,
    measure,
    ranked_samples,
)
from attention_book.recipes.sentence_pairs.study import study_variants
from attention_book.recipes.sentence_pairs.tasks import PairTask
from attention_book.recipes.sentence_pairs.training import (
    PairTraining,
    fit_mpcnn,
    pair_scores,
)
from attention_book.recipes.systems import result_prefix


def uniform_weights(model: MPCNN) -> None:
    """Give all words equal weights in an MPCNN with attention.

    The query sentence is replaced by zeros: all cosines are 0, all weights equal.

    Raises:
        ValueError: if the model has no attention.
    """
    if model.attention is None:
        raise ValueError("model must have attention, its config has attention=False")

    def zero_query(_layer: Any, arguments: tuple) -> tuple:
        return torch.zeros_like(arguments[0]), *arguments[1:]

    model.attention.register_forward_pre_hook(zero_query)


_ATTENTION: dict[str, dict[str, Any]] = {
    "attention": {"attention": True},
    "uniform weights": {"attention": True, "prepare": uniform_weights},
}

MPCNN_SYSTEMS: dict[str, dict[str, Any]] = {
    "no attention": {},
    **_ATTENTION,
    "one vector": {**LIGHT, "comparison": "one vector"},
    "compared once": {**LIGHT, "comparison": "once"},
    "equal widths": {**LIGHT, "comparison": "equal widths"},
    "light": LIGHT,
    "light with single words": LIGHT | {"widths": (1,)},
    "light with minima and means": LIGHT | {"poolings": POOLINGS},
    "light with block B": {"poolings": ("max",), "dim_poolings": ("max",)},
    **{f"light with {name}": LIGHT | own for name, own in _ATTENTION.items()},
}
"""For each system of the MPCNN chapter the options of its training. The first three are
the whole network. From "one vector", a siamese network, to "light" each has one change
to the one before; those below have one change to "light" each, and the last two differ
in the weights alone."""

ABCNN_SYSTEMS: dict[str, dict[str, Any]] = {
    f"{variant}{blocks}": {"variant": variant, "num_blocks": number, **changes}
    for number, blocks, variants, changes in (
        (1, "", VARIANTS, {}),
        (2, " with two blocks", VARIANTS, {}),
        (1, " with a softmax", ["ABCNN-1"], {"map_softmax": True}),
        (1, " with words", ["ABCNN-1"], {"map_values": "words"}),
        (
            1,
            " with words and a softmax",
            ["ABCNN-1"],
            {"map_values": "words", "map_softmax": True},
        ),
    )
    for variant in variants
}
"""For each system of the ABCNN chapter its variant, its number of blocks, and what else
is set otherwise than in the paper."""


@dataclass(frozen=True, kw_only=True)
class PairSystemRun:
    """What one trained system reached.

    Attributes:
        name: of the system.
        task: the data.
        results: what was measured, by name; "map" and "dev_map", for instance, at the
            time that dev chose.
        details: more about the run.
    """

    name: str
    task: PairTask
    results: dict[str, float]
    details: dict[str, float | int | str]

    def values(self, slug: str) -> dict[str, float | int | str]:
        """Return everything that a record of the run needs, by name.

        Args:
            slug: of the chapter.
        """
        prefix = result_prefix(slug, self.name)
        data = {"data": self.task.name, "vectors": self.task.vectors_title}
        own = {**self.results, **self.details, **data}
        return {f"{prefix}_{name}": value for name, value in own.items()}

    def __str__(self) -> str:
        """The results as a few lines of text."""
        found = [f"{name} {value:.4f}" for name, value in self.results.items()]
        more = [
            f"{name} {value}"
            for name, value in self.details.items()
            if name not in ("qualities", "samples")
        ]
        return (
            f"{self.name} on {self.task.name}, word vectors {self.task.vectors_title}\n"
            f"  {', '.join(found)}\n  {', '.join(more)}"
        )


def run_mpcnn_system(
    task: PairTask,
    name: str,
    training: PairTraining,
    *,
    seed: int,
    **sizes: Any,
) -> PairSystemRun:
    """Train an MPCNN, and measure it on dev and on test.

    "samples" are some test pairs of a graded task, with their true and predicted
    grades.

    Args:
        task: classes or grades.
        name: one of :data:`MPCNN_SYSTEMS`.
        training: how to train.
        seed: as for :func:`~attention_book.recipes.sentence_pairs.training.fit_mpcnn`.
        **sizes: settings of the config.
    """
    options = {**sizes, **MPCNN_SYSTEMS[name], "name": f"{task.name}, {name}"}
    model, history = fit_mpcnn(task, training, seed=seed, **options)
    scores = pair_scores(model, task)
    results = _named(measure(task, scores))
    results |= _named(measure(task, pair_scores(model, task, "dev"), "dev"), "dev_")
    best = None if training.keep == "last" else history.best_epoch
    return PairSystemRun(
        name=name,
        task=task,
        results=results,
        details={
            "chosen_epoch": len(history.epoch_loss) if best is None else best + 1,
            "epochs": len(history.epoch_loss),
            "dev_losses": json.dumps([round(x, 4) for x in history.dev_loss]),
            "seconds": round(history.seconds, 1),
            "parameters": _num_trained(model),
            "samples": json.dumps(graded_samples(task, scores), ensure_ascii=False),
        },
    )


def run_abcnn_system(
    task: PairTask,
    name: str,
    training: PairTraining,
    *,
    seed: int,
    **sizes: Any,
) -> PairSystemRun:
    """Train an ABCNN, and measure it on dev and on test.

    "map" and "mrr" are those of the network at the evaluation that was best on dev.
    Published code often reports the one that was best on test, which is given beside
    it, and so is a logistic regression on the network's cosines and the count features,
    which the authors train at the end. "qualities" are
    the average precisions of all questions (for classes, what is right), for intervals
    over questions; "samples" are some test questions and what the network ranks first.

    Args:
        task: a ranking, or classes.
        name: one of :data:`ABCNN_SYSTEMS`.
        training: how to train.
        seed: of the weights and of the order of the batches.
        **sizes: settings of the config.
    """
    options = {**sizes, **ABCNN_SYSTEMS[name]}
    variant = options.pop("variant")
    study = study_variants(
        task,
        [variant],
        training,
        seeds=[seed],
        label=name.removeprefix(variant),
        **options,
    )
    (run,) = study.runs[variant]
    labels = list(measure(task, run.scores[0]["test"]))

    def named(values: list[float], start: str = "", end: str = "") -> dict[str, float]:
        pairs = zip(labels, values, strict=True)
        return {f"{start}{label.lower()}{end}": value for label, value in pairs}

    results = named(run.measures("test"))
    results |= named(run.measures("dev"), "dev_")
    results |= named(run.measures("test", chosen_by="test"), end="_chosen_on_test")
    refit = study.refits(variant)["refit_counts"]["test"]
    results[f"{labels[0].lower()}_refit_counts"] = refit
    curve = {
        part: [round(float(x), 4) for x in values]
        for part, values in run.main_curves.items()
    }
    chosen = {part: run.scores_at_best(part) for part in ("dev", "test")}
    qualities = {
        part: [round(float(x), 4) for x in item_quality(task, scores, part)]
        for part, scores in chosen.items()
    }
    return PairSystemRun(
        name=name,
        task=task,
        results=results,
        details={
            "chosen_epoch": (run.best("dev") + 1) / training.evaluations,
            "epochs": training.epochs,
            "curve": json.dumps(curve),
            "parameters": _num_trained(study.models[variant]),
            "qualities": json.dumps(qualities),
            "samples": json.dumps(
                ranked_samples(task, chosen["test"]), ensure_ascii=False
            ),
        },
    )


def _named(values: Mapping[str, float], start: str = "") -> dict[str, float]:
    return {f"{start}{name.lower()}": value for name, value in values.items()}


def _num_trained(model: nn.Module) -> int:
    """The word vectors are not trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
