"""One network, changed in one way at a time; each arm trained with several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from attention_book.models.mpcnn.model import MPCNN
from attention_book.recipes.sentence_pairs.baselines import baseline_scores
from attention_book.recipes.sentence_pairs.comparison import (
    MEASURES,
    PairedGain,
    describe_runs,
    item_quality,
    main_measure,
    measure,
    paired_gain,
)
from attention_book.recipes.sentence_pairs.tasks import PairTask
from attention_book.recipes.sentence_pairs.training import (
    PairTraining,
    fit_mpcnn,
    pair_scores,
)
from attention_book.training.loop import History

_HELD_OUT = ("dev", "test")


@dataclass(frozen=True, kw_only=True)
class ArmStudy:
    """What came of training each arm with each seed, beside systems without training.

    Attributes:
        task: the data.
        scores: for each arm and each baseline, and each run, the scores of the pairs of
            "dev" and of "test"; a baseline has one run.
        histories: for each arm the losses of each run.
        models: for each arm the model of the first seed.
    """

    task: PairTask
    scores: dict[str, list[dict[str, Float[np.ndarray, " pairs"]]]]
    histories: dict[str, list[History]]
    models: dict[str, MPCNN]

    def reached(self, name: str, part: str = "test") -> list[float]:
        """Return the main measure of each run of an arm or a baseline on a part."""
        return [main_measure(self.task, run[part], part) for run in self.scores[name]]

    def gain(self, name: str, other: str, part: str = "test") -> PairedGain:
        """Compare two arms or baselines pair by pair, and seed by seed.

        Args:
            name: the one.
            other: the other, which is subtracted.
            part: "dev", "test", or "both", which dev must not have chosen an epoch for.
        """
        parts = _HELD_OUT if part == "both" else (part,)

        def quality(one: str) -> list[np.ndarray]:
            return [
                np.concatenate([item_quality(self.task, run[p], p) for p in parts])
                for run in self.scores[one]
            ]

        groups = [self.task.groups(p) for p in parts]
        if part == "both":  # the numbers of either part are its own
            groups[1] = groups[1] + groups[0].max() + 1
        return paired_gain(quality(name), quality(other), np.concatenate(groups))

    def curve(self, name: str) -> Float[np.ndarray, " epochs"]:
        """Return the measure on dev after each epoch of an arm, a mean over its runs.

        It is the loss where :attr:`PairTraining.keep` is "best", otherwise the main
        measure.
        """
        runs = self.histories[name]
        return np.mean([run.dev_score or run.dev_loss for run in runs], axis=0)

    def num_parameters(self, name: str) -> int:
        """Return how many numbers an arm learns; the word vectors are not among them.

        A baseline learns none.
        """
        if name not in self.models:
            return 0
        parameters = self.models[name].parameters()
        return sum(p.numel() for p in parameters if p.requires_grad)

    def rows(self, names: Sequence[str]) -> list[list[str]]:
        """The rows of a table: of each system its features, parameters and measures.

        Args:
            names: arms and baselines, in the order of the rows.
        """
        rows = []
        for name in names:
            measures = [measure(self.task, run["test"]) for run in self.scores[name]]
            sizes = ["", ""]
            if name in self.models:
                features = self.models[name].config.num_features
                sizes = [f"{features:,}", f"{self.num_parameters(name):,}"]
            elif self.task.kind == "grades":
                measures[0].pop("MSE")  # a cosine is no grade
            cells = [
                describe_runs([{key: one[key]} for one in measures]).split(" ", 1)[1]
                if key in measures[0]
                else ""
                for key in MEASURES[self.task.kind]
            ]
            rows.append([name, *sizes, *cells])
        return rows

    def gain_rows(
        self, pairs: Sequence[tuple[str, str]], part: str = "test"
    ) -> list[list[str]]:
        """The rows of a table: differences of two systems with both intervals.

        Args:
            pairs: names of the systems; the second one is subtracted.
            part: as for :meth:`gain`.
        """
        rows = []
        for name, other in pairs:
            gain = self.gain(name, other, part)
            ends = [
                f"{low:+.3f} to {high:+.3f}"
                for low, high in (gain.over_seeds, gain.over_groups)
            ]
            rows.append([f"{name} minus {other}", f"{gain.mean:+.3f}", *ends])
        return rows


def study_arms(
    task: PairTask,
    arms: Mapping[str, Mapping[str, Any]],
    training: PairTraining,
    *,
    seeds: Sequence[int],
    baselines: Sequence[str] = ("averaged vectors", "TF-IDF"),
    **sizes: Any,
) -> ArmStudy:
    """Train an MPCNN for each arm and each seed.

    An equal seed gives all arms equal batches in equal order, and arms of equal filters
    equal filters to start from.

    Args:
        task: classes or grades.
        arms: for each arm what its options have otherwise than ``sizes``, as for
            :func:`~attention_book.recipes.sentence_pairs.training.fit_mpcnn`.
        training: how to train.
        seeds: one run for each.
        baselines: names of systems without a network, as for
            :func:`~attention_book.recipes.sentence_pairs.baselines.baseline_scores`.
        **sizes: options that all arms share.
    """
    found = {part: baseline_scores(task, baselines, part=part) for part in _HELD_OUT}
    study = ArmStudy(
        task=task,
        scores={
            name: [{part: scores[name] for part, scores in found.items()}]
            for name in baselines
        },
        histories={},
        models={},
    )
    for name, changes in arms.items():
        options = {**sizes, **changes, "name": f"{task.name}, {name}"}
        runs = [fit_mpcnn(task, training, seed=seed, **options) for seed in seeds]
        study.scores[name] = [
            {part: pair_scores(model, task, part) for part in _HELD_OUT}
            for model, _ in runs
        ]
        study.histories[name] = [history for _, history in runs]
        study.models[name] = runs[0][0]
    return study
