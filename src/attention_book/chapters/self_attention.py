"""Tables of the chapter on self-attention, and names for its results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from attention_book.chapters.recorded import recorded_values
from attention_book.chapters.report import glue
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import Table, seeds_table
from attention_book.evaluation.cost import crossing
from attention_book.recipes.cases import MechanismCase
from attention_book.recipes.mixing import (
    IMAGE_KINDS,
    STUDIES,
    AddingCase,
    ImageTrials,
    LayerCosts,
    MixingStudy,
    ScoreSpread,
    kind_name,
    rate_name,
)
from attention_book.recipes.pronouns import PronounScores

CHAPTER = "self_attention"
LEARNED = 0.9
"""A trial that gets more than this right has learned to add."""


def spread_table(dims: Sequence[int], spreads: Mapping[str, ScoreSpread]) -> Table:
    """Show what becomes of scores and weights as queries get more components.

    Args:
        dims: sizes of a query.
        spreads: by name, one that is not divided and one that is.
    """
    rows = [
        [
            str(d),
            *(f"{one.variance[i]:.2f}" for one in spreads.values()),
            *(f"{one.largest[i]:.2f}" for one in spreads.values()),
            *(f"{one.gradient[i]:.3f}" for one in spreads.values()),
        ]
        for i, d in enumerate(dims)
    ]
    header = [
        f"{what}, {name}"
        for what in ("variance", "largest weight", "derivatives")
        for name in spreads
    ]
    caption = "Scores of random queries with 16 random keys each"
    return Table(caption, ["d", *header], rows, numeric=True)


def spread_values(spreads: Mapping[str, ScoreSpread]) -> dict[str, float]:
    """The results of :func:`spread_table` for ``glue``, of the largest dimension.

    Args:
        spreads: of scores that are not divided, then of scores that are.
    """
    return {
        f"{CHAPTER}_{what}_{name}": values[-1]
        for name, one in zip(("raw", "divided"), spreads.values(), strict=True)
        for what, values in one._asdict().items()
    }


def case_table(cases: Sequence[MechanismCase], names: Mapping[str, str]) -> Table:
    """Show what each mechanism takes for query, key, value, score and normaliser.

    Args:
        cases: the mechanisms.
        names: of the chapters, by their slugs.
    """
    rows = [
        [
            f"{names[c.chapter]}: {c.name}",
            c.query,
            c.key,
            c.value,
            c.score,
            c.normaliser,
        ]
        for c in cases
    ]
    header = ["mechanism", "query", "key", "value", "score", "normaliser"]
    return Table("One formula, and what goes into it", header, rows)


def cost_table(costs: LayerCosts, token_counts: Sequence[int], width: int) -> Table:
    """Show milliseconds of each layer, and MiB in brackets, by number of tokens.

    Args:
        costs: of the layers.
        token_counts: lengths of the sentences.
        width: size of a token.
    """
    rows = [
        [
            f"{count:,}",
            *(
                f"{times[i]:.2f} ({costs.mebibytes[name][i]:.2f})"
                for name, times in costs.milliseconds.items()
            ),
        ]
        for i, count in enumerate(token_counts)
    ]
    caption = f"Milliseconds (and MiB) of one pass, tokens of {width} features"
    return Table(caption, ["tokens", *costs.milliseconds], rows, numeric=True)


def crossing_text(
    token_counts: Sequence[int], own: Sequence[float], other: Sequence[float]
) -> str:
    """Say in words where one layer becomes slower than another.

    Args:
        token_counts: lengths of the sentences, rising.
        own: milliseconds of the one, for each length.
        other: of the other.

    Example:
        >>> crossing_text([64, 128], [2.0, 3.0], [1.0, 1.5])
        'slower at every length measured'
    """
    slower = [a > b for a, b in zip(own, other, strict=True)]
    if all(slower):
        return "slower at every length measured"
    if not any(slower):
        return "faster at every length measured"
    at = crossing(token_counts, own, other)
    return f"slower from about {at:,.0f} tokens on" if at else "at times slower"


def crossing_table(
    costs: Mapping[int, LayerCosts], token_counts: Sequence[int]
) -> Table:
    """Show where self-attention becomes slower than the other layers.

    Args:
        costs: by size of a token.
        token_counts: lengths of the sentences.
    """
    rows = []
    for width, (milliseconds, _) in costs.items():
        for name, counted in (("GRU", f"{1.5 * width:.0f}"), ("convolution", "any")):
            times = milliseconds["self-attention"], milliseconds[name]
            said = crossing_text(token_counts, *times)
            rows.append([f"{name}, width {width}", said, counted])
    header = ["against", "by the clock, self-attention is", "by multiplications, from"]
    return Table("Where self-attention becomes the slower one", header, rows)


def cost_values(costs: LayerCosts, token_counts: Sequence[int]) -> dict[str, float]:
    """The results of :func:`cost_table` for ``glue``, of the shortest and the longest.

    Args:
        costs: of the layers.
        token_counts: lengths of the sentences.
    """
    ms, mib = costs
    values: dict[str, float] = {}
    for name, at in {"short": 0, "long": -1}.items():
        values[f"{CHAPTER}_tokens_{name}"] = token_counts[at]
        values[f"{CHAPTER}_ms_{name}"] = ms["self-attention"][at]
        values[f"{CHAPTER}_ms_{name}_gru"] = ms["GRU"][at]
    values[f"{CHAPTER}_ms_long_convolution"] = ms["convolution"][-1]
    values[f"{CHAPTER}_mib_weights"] = mib["with its weights"][-1]
    values[f"{CHAPTER}_mib_fused"] = mib["self-attention"][-1]
    values[f"{CHAPTER}_num_weights"] = token_counts[-1] ** 2 / 1e6
    return values


def image_ranges(trials: ImageTrials) -> dict[str, list[tuple[float, float]]]:
    """The lowest and the highest accuracy on test images, over the trials.

    Args:
        trials: of this run.
    """
    return {
        kind: [(float(row.min()), float(row.max())) for row in rows]
        for kind, rows in trials.scores().items()
    }


def image_table(trials: ImageTrials) -> Table:
    """Show mean accuracies on training and test images, with the range of the latter.

    Args:
        trials: of this run.
    """
    train, test = trials.scores("train"), trials.scores()
    ranges = image_ranges(trials)
    rows = []
    for kind, shares in test.items():
        row = [kind]
        for i in range(len(trials.counts)):
            low, high = ranges[kind][i]
            mean = f"{shares[i].mean():.1%} ({low:.1%} to {high:.1%})"
            row += [f"{train[kind][i].mean():.0%}", mean]
        rows.append(row)
    header = [
        f"{count:,} images: {part}"
        for count in trials.counts
        for part in ("training", "test")
    ]
    caption = "Digits recognised, mean over the trials (lowest to highest)"
    return Table(caption, ["", *header], rows, numeric=True)


def image_values(trials: ImageTrials) -> dict[str, float]:
    """The results of :func:`image_table` for ``glue``, on few images and on most.

    Args:
        trials: of this run.
    """
    values: dict[str, float] = {}
    ends = {"few": 0, "many": -1}
    for part, tail in (("test", ""), ("train", "_train")):
        scores = trials.scores(part)
        for kind, shares in scores.items():
            for name, at in ends.items():
                key = f"{CHAPTER}_digits_{name}_{kind_name(kind)}{tail}"
                values[key] = float(shares[at].mean())
    for name, at in ends.items():
        values[f"{CHAPTER}_{name}"] = trials.counts[at]
        # The name that the table of all results has.
        own = values[f"{CHAPTER}_digits_{name}_attention"]
        values[f"{CHAPTER}_digits_{name}"] = own
        ahead = values[f"{CHAPTER}_digits_{name}_convolution"] - own
        values[f"{CHAPTER}_gap_{name}"] = 100 * ahead
        for mixer in ("convolution", "attention"):
            key = f"{CHAPTER}_digits_{name}_{mixer}"
            lost = values[key] - values[f"{key}_shuffled"]
            values[f"{CHAPTER}_shuffling_{name}_{mixer}"] = 100 * lost
    return values


def adding_table(
    scores: Mapping[str, Float[np.ndarray, "distances trials"]],
    distances: Sequence[int],
) -> Table:
    """Show the accuracy of each trial on the adding problem, by distance.

    Args:
        scores: of each mixer, a row for each distance.
        distances: in tokens.
    """
    rows = [
        [
            str(distance),
            *(" ".join(f"{score:.2f}" for score in own[i]) for own in scores.values()),
        ]
        for i, distance in enumerate(distances)
    ]
    caption = "Sums that are right, one number for each trial"
    return Table(caption, ["distance", *scores], rows, numeric=True)


def far_values(
    scores: Mapping[str, Float[np.ndarray, "distances trials"]],
    distances: Sequence[int],
) -> dict[str, float]:
    """The results of :func:`adding_table` for ``glue``.

    Args:
        scores: as for :func:`adding_table`.
        distances: in tokens.
    """
    values: dict[str, float] = {f"{CHAPTER}_far_distance": distances[-1]}
    values[f"{CHAPTER}_far_own"] = float(scores["self-attention"][-1].mean())
    values[f"{CHAPTER}_far_gru"] = float(scores["GRU"][-1].mean())
    for name, rows in scores.items():
        learned = (rows > LEARNED).mean(axis=1).tolist()
        for distance, share in zip(distances, learned, strict=True):
            values[f"{CHAPTER}_learned_{kind_name(name)}_{distance}"] = share
    return values


def far_table(settings: Settings, *, folder: Path | None = None) -> Table:
    """Show what is recorded of the trials that learned to add two far digits.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.
    """
    quantities = {
        f"{name}, distance {distance}": (
            f"{CHAPTER}_learned_{kind_name(name)}_{distance}"
        )
        for name in ("GRU", "self-attention")
        for distance in settings.presets["quick"]["distances"]
    }
    return seeds_table(
        settings, CHAPTER, quantities, form=".0%", preset="quick", folder=folder,
        caption=f"Share of a run's trials that got more than {LEARNED:.0%} right",
    )  # fmt: skip


def stuck_table(
    examined: Sequence[tuple[float, tuple[float, float]]], *, below: float
) -> Table:
    """Show how far apart the contexts are in trials that got stuck.

    Args:
        examined: of each trial its accuracy, and the distances of the contexts of the
            last token where the first digit is 0 and where it is 1, for a last digit of
            0 and of 1.
        below: trials with a lower accuracy are shown.
    """
    rows = [
        [f"{score:.2f}", *(f"{distance:.2f}" for distance in apart)]
        for score, apart in sorted(examined)
        if score < below
    ]
    header = ["right", "contexts apart, last digit 0", "contexts apart, last digit 1"]
    return Table("Trials that got stuck", header, rows, numeric=True)


def digit_pair_table(
    cases: Mapping[tuple[int, int], AddingCase], *, score: float
) -> Table:
    """Show what one trial does with each pair of marked digits.

    Args:
        cases: by first and last digit.
        score: accuracy of the trial.
    """
    rows = [
        [f"{first}, {last}", *(f"{value:.2f}" for value in case)]
        for (first, last), case in cases.items()
    ]
    header = ["first and last digit", "right", "weight on the first", "on the last"]
    caption = f"One trial that gets {score:.2f} right: the weights of its last token"
    return Table(caption, header, rows, numeric=True)


def pronoun_table(scores: Mapping[str, PronounScores]) -> Table:
    """Show what models do with pronouns whose two candidates differ in gender.

    Args:
        scores: by name of the model.
    """
    rows = [
        [
            name,
            f"{s.right:.1%}",
            f"{s.referent:.2f}",
            f"{s.other:.2f}",
            f"{s.largest:.0%}",
        ]
        for name, s in scores.items()
    ]
    header = ["", "right pronoun, if genders differ", "weight on the noun meant"]
    header.append("on the other noun")
    header.append("largest weight on the noun meant")
    caption = "Sentences with pairs of nouns that training did not have"
    return Table(caption, header, rows, numeric=True)


def pronoun_values(scores: Mapping[str, PronounScores]) -> dict[str, float]:
    """The results of :func:`pronoun_table` for ``glue``.

    Args:
        scores: of self-attention, then of the plain average.
    """
    return {
        f"{CHAPTER}_word_{what}{tail}": value
        for tail, one in zip(("", "_average"), scores.values(), strict=True)
        for what, value in one._asdict().items()
    }


def record_studies(settings: Settings, study: MixingStudy) -> None:
    """Run the longer comparisons that ``settings.systems`` names; ``glue`` the results.

    Args:
        settings: the chapter's.
        study: of its preset.
    """
    for name in settings.systems or ():
        if name in STUDIES:
            glue(**{f"{CHAPTER}_{key}": value for key, value in study.digit_study()})


def budget_name(part: str, kind: str, count: int, steps: int) -> str:
    """The name of a result of the study of digits.

    Args:
        part: "train" or "test".
        kind: one of ``IMAGE_KINDS``.
        count: number of training images.
        steps: optimizer steps.
    """
    return f"{CHAPTER}_{part}_{kind_name(kind)}_{count}_{steps}"


def budget_curves(
    settings: Settings, *, part: str = "test", folder: Path | None = None
) -> dict[int, dict[str, list[list[float]]]]:
    """What is recorded of the study of digits: accuracy by number of steps.

    Args:
        settings: the chapter's.
        part: "train" or "test".
        folder: where the records are; None: the book's.

    Returns:
        By number of training images and kind, the values of all runs for each number of
        steps; nothing if none are recorded.
    """
    quick = settings.presets["quick"]
    found: dict[int, dict[str, list[list[float]]]] = {}
    for count in quick["image_counts"]:
        for kind in IMAGE_KINDS:
            asked = {
                str(steps): (STUDIES[0], budget_name(part, kind, count, steps))
                for steps in quick["study_steps"]
            }
            values = recorded_values(settings, CHAPTER, asked, "quick", folder)
            if len(values) == len(asked):
                found.setdefault(count, {})[kind] = list(values.values())
    return found


def budget_table(settings: Settings, *, folder: Path | None = None) -> Table:
    """Show what is recorded of the study of digits at most images.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.
    """
    quick = settings.presets["quick"]
    few, most = min(quick["image_counts"]), max(quick["image_counts"])
    last = max(quick["study_steps"])
    convolution, attention = (
        kind for kind, (_, shuffled) in IMAGE_KINDS.items() if not shuffled
    )
    quantities = {}
    for count in (few, most):
        for steps in quick["study_steps"]:
            ends = (
                budget_name("test", k, count, steps) for k in (convolution, attention)
            )
            label = f"convolution ahead, {count:,} images, {steps:,} steps"
            quantities[label] = "-".join(ends)
    for kind in (convolution, attention):
        steps = sorted(quick["study_steps"])[len(quick["study_steps"]) // 2]
        for rate in quick["study_rates"]:
            label = f"{kind}, {most:,} images, {steps:,} steps, rate {rate:g}"
            quantities[label] = f"{CHAPTER}_test_{kind_name(kind)}_{rate_name(rate)}"
        train = budget_name("train", kind, most, last)
        quantities[f"{kind}, training images, {most:,}, {last:,} steps"] = train
    return seeds_table(
        settings, CHAPTER, quantities,
        caption="Digits: accuracy on test images, unless a row says otherwise",
        form=".1%", preset="quick", folder=folder, systems=STUDIES[0],
    )  # fmt: skip
