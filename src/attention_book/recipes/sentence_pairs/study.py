"""Variants of ABCNN on one task, trained with several seeds, beside the baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from attention_book.models.abcnn.model import ABCNN
from attention_book.recipes.sentence_pairs.baselines import BASELINES, baseline_scores
from attention_book.recipes.sentence_pairs.comparison import (
    PairedGain,
    item_quality,
    main_measure,
    measure,
    paired_gain,
    refit_scores,
)
from attention_book.recipes.sentence_pairs.tasks import PARTS, PairTask
from attention_book.recipes.sentence_pairs.training import (
    EvaluatedRun,
    PairTraining,
    build_abcnn,
    pair_features,
    train_abcnn,
)

_OTHER = {"test": "dev", "dev": "test"}


@dataclass(frozen=True, kw_only=True)
class VariantStudy:
    """What came of training each variant with each seed.

    A number on test is taken at the time that was best on dev, and a number on dev at
    the time that was best on test: no part reports what it has chosen.

    Attributes:
        task: the data.
        runs: for each variant a run for each seed.
        models: for each variant the model of the first seed.
        features: for each variant and seed, what the last layer reads of the pairs of
            each part: a cosine for each layer, then the features of the pairs.
        last_weights: for each variant and seed, the weights of these features.
    """

    task: PairTask
    runs: dict[str, list[EvaluatedRun]]
    models: dict[str, ABCNN]
    features: dict[str, list[dict[str, np.ndarray]]]
    last_weights: dict[str, list[list[float]]]

    @cached_property
    def baselines(self) -> dict[str, dict[str, Float[np.ndarray, " pairs"]]]:
        """For test and dev the scores of each system without a network."""
        return {
            part: baseline_scores(self.task, BASELINES, part=part, unseen_words=True)
            for part in _OTHER
        }

    def results(self, *, num_blind: int = 200) -> dict[str, list[list[float]]]:
        """Return the measures on test of each run of each system.

        Args:
            num_blind: random rankings whose mean is the result of "blind"; only for a
                ranking.
        """
        results = {
            name: [list(measure(self.task, scores).values())]
            for name, scores in self.baselines["test"].items()
        }
        if self.task.kind == "ranking":
            draws = np.random.default_rng(0)
            drawn = draws.random((num_blind, len(self.task.pairs["test"])))
            blind = [list(measure(self.task, scores).values()) for scores in drawn]
            results["blind"] = [np.mean(blind, axis=0).tolist()]
        for variant, runs in self.runs.items():
            results[variant] = [run.measures("test") for run in runs]
        return results

    def quality(self, name: str, part: str) -> list[Float[np.ndarray, " items"]]:
        """Return the quality of each item in each run of a system.

        Args:
            name: a variant or a baseline.
            part: "dev", "test", or "both" for dev and test together.
        """
        if part == "both":
            sides = self.quality(name, "dev"), self.quality(name, "test")
            return [np.concatenate(parts) for parts in zip(*sides, strict=True)]
        if name in self.runs:
            scores = [
                run.scores_at_best(part, chosen_by=_OTHER[part])
                for run in self.runs[name]
            ]
        else:
            scores = [self.baselines[part][name]]
        return [item_quality(self.task, one, part) for one in scores]

    def gains(self, name: str, other: str) -> dict[str, PairedGain]:
        """Compare two systems item by item, on test, on dev and on both together.

        Args:
            name: a variant or a baseline.
            other: what it is compared with.
        """
        return {
            part: paired_gain(self.quality(name, part), self.quality(other, part))
            for part in ("test", "dev", "both")
        }

    def refits(self, variant: str) -> dict[str, dict[str, float]]:
        """Compare a variant's own last layer with one that is trained anew.

        Args:
            variant: whose runs.

        Returns:
            The main measure on test and on dev, the mean over the seeds, of three last
            layers: "own", that of the network; "refit", a logistic regression on its
            cosines; "refit_counts", one on cosines and count features. The refitted
            networks are those of the time that dev chose.
        """
        own = {
            part: [run.measures(part, chosen_by=by)[0] for run in self.runs[variant]]
            for part, by in _OTHER.items()
        }
        return {
            "own": {part: float(np.mean(values)) for part, values in own.items()},
            "refit": self._refit(variant, with_counts=False),
            "refit_counts": self._refit(variant, with_counts=True),
        }

    def _refit(self, variant: str, *, with_counts: bool) -> dict[str, float]:
        found: dict[str, list[float]] = {part: [] for part in _OTHER}
        for features in self.features[variant]:
            inputs = {}
            for part, rows in features.items():
                inputs[part] = rows[:, : rows.shape[1] - self.task.num_features]
                if with_counts:
                    counts = self.task.counts(part)
                    inputs[part] = np.hstack([inputs[part], counts])
            for part, scores in refit_scores(self.task, inputs).items():
                found[part].append(main_measure(self.task, scores, part))
        return {part: float(np.mean(values)) for part, values in found.items()}

    def alone(self, variant: str, feature: int, part: str) -> float:
        """Return the mean main measure if the pairs are ranked by one feature alone.

        Args:
            variant: whose features.
            feature: its number; 0 is the cosine of the word vectors.
            part: "train", "dev" or "test".
        """
        return float(
            np.mean(
                [
                    main_measure(self.task, found[part][:, feature], part)
                    for found in self.features[variant]
                ]
            )
        )

    def flattery(self, variant: str) -> list[float]:
        """Return what each run gains on test if test, not dev, chooses the time.

        It is a difference of the main measure and never negative.
        """
        return [
            run.measures("test", chosen_by="test")[0] - run.measures("test")[0]
            for run in self.runs[variant]
        ]


def rows_of_studies(
    studies: Mapping[str, VariantStudy],
    make_rows: Callable[[VariantStudy], Sequence[Sequence[str]]],
) -> list[list[str]]:
    """Join the rows that several studies give to one table.

    Args:
        studies: by the names of their data sets.
        make_rows: the rows of one study.

    Returns:
        All rows. If there are several studies, each row starts with its study's name.
    """
    rows = []
    for name, study in studies.items():
        start = f"{name}, " if len(studies) > 1 else ""
        rows += [[start + label, *cells] for label, *cells in make_rows(study)]
    return rows


def study_variants(
    task: PairTask,
    variants: Sequence[str],
    training: PairTraining,
    *,
    seeds: Sequence[int],
    label: str = "",
    **sizes: Any,
) -> VariantStudy:
    """Train each variant with each seed.

    An equal seed gives the variants equal batches in equal order.

    Args:
        task: a ranking, or classes.
        variants: of :class:`attention_book.models.abcnn.config.ABCNNConfig`.
        training: how to train.
        seeds: one run for each.
        label: what the runs are called behind the variant, so that the checkpoints of
            other settings are others.
        **sizes: further settings of the config.
    """
    study = VariantStudy(
        task=task,
        runs={},
        models={},
        features={variant: [] for variant in variants},
        last_weights={variant: [] for variant in variants},
    )
    for variant in variants:
        study.runs[variant] = []
        for seed in seeds:
            model = build_abcnn(
                task, variant, seed=seed, batch_size=training.batch_size, **sizes
            )
            name = f"{task.name}, {variant}{label}"
            run = train_abcnn(task, model, training, seed=seed, name=name)
            study.runs[variant].append(run)
            study.models.setdefault(variant, model)
            study.features[variant].append(
                {part: pair_features(model, task, part) for part in PARTS}
            )
            study.last_weights[variant].append(model.output_proj.weight[0].tolist())
    return study
