"""Tables of the chapter on multi-head attention, and what its records hold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

from attention_book.chapters.report import glue
from attention_book.chapters.results import recorded_results
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import Table, seeds_table
from attention_book.data.translation.pairs import Pair
from attention_book.evaluation.intervals import bootstrap_interval
from attention_book.recipes import heads as recipe
from attention_book.recipes.heads import Head, HeadCount, HeadPreset, HeadTable
from attention_book.recipes.pruning import (
    LEAST,
    MEAN,
    MOST,
    ZERO,
    Ablations,
    Orders,
    Pruning,
)
from attention_book.recipes.translation import (
    TranslationTask,
    bleu_text,
    numbers_task,
)

CHAPTER = "multi_head"
SIZES = "sizes"
"""The longer comparison of a quick run: depths and numbers of heads."""

STUDY_DIGITS = 12
STUDY_TRAIN, STUDY_TEST = 9000, 1000
"""Its numbers: longer than those of the quick runs, so that not all are learned."""

REAL = "Multi30k"
"""What a full run can train alone: the translator whose heads are examined."""

Kind = tuple[int, int]
"""A model by its layers on each side and its heads in each attention."""


def shapes_table(tensors: Mapping[str, Tensor]) -> Table:
    """Show the shapes of tensors, in the order in which they are made."""
    rows = [
        [name, ", ".join(map(str, tensor.shape))] for name, tensor in tensors.items()
    ]
    return Table("Three sentences of seven tokens", ["tensor", "shape"], rows)


def cost_table(cost: HeadCount, *, tokens: int) -> Table:
    """Show what layers with different numbers of heads cost.

    Args:
        cost: of the layers.
        tokens: of a sentence.
    """
    rows = [
        [
            f"{heads}",
            f"{parameters:,}",
            f"{cost.products[heads]:,}",
            f"{heads * tokens**2:,}",
            f"{cost.ratio[f'h = {heads}, fused']:.2f}",
        ]
        for heads, parameters in cost.parameters.items()
    ]
    header = ["heads", "parameters", "multiplications", "weights", "time"]
    caption = f"One layer, sentences of {tokens} tokens; time of one head = 1"
    return Table(caption, header, rows, numeric=True)


def sizes_table(
    models: Mapping[Kind, Any],
    loss: Mapping[Kind, float],
    right: Mapping[Kind, Float[np.ndarray, " sentences"]],
    measure: str,
) -> Table:
    """Show how well models with different numbers of layers and heads translate.

    Args:
        models: Transformers.
        loss: of each, in nats per word.
        right: of each, what comes out right of each sentence.
        measure: what is right, in words.
    """
    rows = []
    for kind in sorted(models):
        low, high = bootstrap_interval(right[kind])
        layers, heads = kind
        config = models[kind].config
        rows.append(
            [
                str(layers),
                str(heads),
                str(config.embed_dim // heads),
                f"{sum(p.numel() for p in models[kind].parameters()):,}",
                f"{loss[kind]:.3f}",
                f"{np.exp(loss[kind]):.3f}",
                f"{right[kind].mean():.1%} ({100 * low:.1f} to {100 * high:.1f})",
            ]
        )
    header = ["layers on each side", "heads", "size of a head", "parameters"]
    header += ["loss", "perplexity", measure]
    caption = "More heads, same size: the test set, with 95 % intervals over sentences"
    return Table(caption, header, rows, numeric=True)


def look_values(
    looks: Mapping[str, HeadTable], num_layers: int
) -> dict[str, float | int]:
    """What heads attend to, for ``glue``.

    Args:
        looks: scores of all heads for "encoder", "decoder" and "cross".
        num_layers: of each side.
    """
    values: dict[str, float | int] = {}
    for use, table in looks.items():
        values[f"entropy_{use}"] = table.entropy.mean().item()
        values[f"entropy_{use}_uniform"] = table.uniform_entropy
    for name, use, relation in (
        ("last_power", "decoder", "last power"),
        ("power", "encoder", "power"),
        ("mark", "encoder", "mark"),
        ("partner", "cross", "partner"),
    ):
        table = looks[use]
        if relation in table.relations:
            values[name] = table.column(relation).max().item()
            values[f"{name}_uniform"] = table.uniform(relation)
    columns = [looks["encoder"].column(name) for name in ("previous", "next")]
    values["neighbour_best"] = max(column.max().item() for column in columns)
    cross = looks["cross"]
    if "partner" in cross.relations:
        by_layer = cross.column("partner").view(num_layers, -1).mean(dim=1)
        near = cross.column("before") + cross.column("after")
        values["partner_first"] = by_layer[0].item()
        values["partner_last"] = by_layer[-1].item()
        values["near_first"] = near.view(num_layers, -1)[0].mean().item()
    return {f"{CHAPTER}_{name}": value for name, value in values.items()}


def ablation_values(
    ablations: Ablations, without: Mapping[str, Sequence[float]], num_layers: int
) -> dict[str, float | int]:
    """What removing single heads and whole attentions costs, for ``glue``.

    Args:
        ablations: of single heads.
        without: as for :func:`without_use_table`.
        num_layers: of each side.
    """
    zero, mean = (list(own.loss.values()) for own in ablations.costs.values())
    lost, free = ablations.lost, ablations.free
    values: dict[str, float | int] = {
        "count": len(zero),
        "free": free[ZERO],
        "free_mean": free[MEAN],
        "worst": max(lost[ZERO]),
        "zero_cost": fmean(lost[ZERO]),
        "mean_cost": fmean(lost[MEAN]),
        "zero_loss": fmean(zero),
        "mean_loss": fmean(mean),
        "cheaper": sum(one < other for one, other in zip(mean, zero, strict=True)),
        "rank": float(spearmanr(zero, mean).statistic),
    }
    for name, use in (
        ("cross", f"cross {num_layers}"),
        ("decoder", "decoder 1"),
        ("encoder", f"encoder {num_layers}"),
    ):
        values[f"without_{name}"], values[f"without_{name}_mean"] = without[use]
    return {f"{CHAPTER}_{name}": value for name, value in values.items()}


KEPT = "half", "quarter"
"""Names of the numbers of heads that pruned models keep."""


def pruning_values(
    orders: Orders, kept: Mapping[int, Mapping[str, float]], preset: HeadPreset
) -> dict[str, float | int]:
    """What removing many heads costs, for ``glue``.

    Args:
        orders: the model pruned in several orders.
        kept: as for :func:`kept_table`.
        preset: tells how long pruned models are trained on.
    """
    least, most = (orders.traces[name].right for name in (LEAST, MOST))
    fallen = [k for k, share in enumerate(least) if share < least[0] - 0.05]
    values: dict[str, float | int] = {
        "spared": (fallen[0] if fallen else len(least)) - 1,
        "draws": len(orders.drawn),
        "tune_steps": preset.tune_steps,
        "most_4": most[4],
        "random_4": fmean(own[1] for own in orders.draws),
    }
    for name, (count, own) in zip(KEPT, kept.items(), strict=True):
        values[name] = count
        for way, share in own.items():
            values[f"{name}_{way.replace(' ', '_')}"] = share
    return {f"{CHAPTER}_{name}": value for name, value in values.items()}


def removal_seeds_table(settings: Settings, *, folder: Path | None = None) -> Table:
    """Show what quick runs have recorded of removed heads.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.
    """
    quick = settings.presets["quick"]
    quantities = {
        f"{count} heads, {way}": f"{CHAPTER}_{name}_{way.replace(' ', '_')}"
        for name, count in zip(KEPT, quick["kept"], strict=True)
        for way in ("pruned", "pruned at random", "trained on", "trained without")
    }
    quantities |= {
        "one wide head in each attention": f"{CHAPTER}_right_deep_1",
        "all heads": f"{CHAPTER}_right",
        "lost by removing one head, zero": f"{CHAPTER}_zero_cost",
        "lost by removing one head, mean": f"{CHAPTER}_mean_cost",
        "one layer, one head": f"{CHAPTER}_right_1",
        "one layer, four heads": f"{CHAPTER}_right_4",
    }
    return seeds_table(
        settings,
        CHAPTER,
        quantities,
        caption="Sentences right, over the recorded quick runs",
        form=".1%",
        preset="quick",
        folder=folder,
    )


def report_bleu(task: TranslationTask, models: Mapping[Kind, Any]) -> None:
    """Print BLEU of the chapter's models where it means something.

    Args:
        task: with raw test lines, unless it translates numbers.
        models: Transformers by their size.
    """
    if task.lines is None:
        print("BLEU is for sentences: it is computed with preset='full'.")
        return
    for kind, model in models.items():
        bleu = task.bleu(task.translate(model), bootstrap=1000)
        print(f"{kind}: {bleu_text(bleu)}")


def without_use_table(shares: Mapping[str, Sequence[float]], measure: str) -> Table:
    """Show what is left without all heads of one attention.

    Args:
        shares: by attention, with zeros and with means in the heads' place.
        measure: what is right, in words.
    """
    rows = [[name, *(f"{x:.1%}" for x in both)] for name, both in shares.items()]
    header = ["all heads of", "zero in their place", "mean in their place"]
    return Table(f"{measure} without one attention", header, rows, numeric=True)


def kept_table(results: Mapping[int, Mapping[str, float]], measure: str) -> Table:
    """Show models with few heads, by how they came to have so few.

    Args:
        results: by number of heads that are kept, and by name of the model.
        measure: what is right, in words.
    """
    names = list(next(iter(results.values())))
    rows = [
        [str(kept), *(f"{own[name]:.1%}" for name in names)]
        for kept, own in results.items()
    ]
    header = ["heads kept", *names]
    return Table(f"{measure} with few heads", header, rows, numeric=True)


def pruning_texts(prunings: Mapping[str, Pruning], total: int) -> list[str]:
    """What a figure says of each step of several prunings.

    Args:
        prunings: by name of the order.
        total: number of heads.
    """
    return [
        f"{name}: {count} of {total} heads removed"
        + (f", the last one {_head(own.order[count - 1])}" if count else "")
        + f"; {right:.0%} of the test sentences right"
        for name, own in prunings.items()
        for count, right in zip(own.counts, own.right, strict=True)
    ]


def _head(head: Head) -> str:
    return f"{head[0]}, head {head[1] + 1}"


def record_sizes(settings: Settings, preset: HeadPreset) -> None:
    """Train models of many sizes for longer, on longer numbers; ``glue`` the results.

    Args:
        settings: the chapter's.
        preset: of the quick runs.
    """
    task = numbers_task(
        "en",
        "de",
        train=STUDY_TRAIN,
        test=STUDY_TEST,
        max_digits=STUDY_DIGITS,
        max_tokens=40,
        seed=settings.seed,
        limit=settings.limit,
        device=settings.device,
    )
    for layers, heads in preset.study:
        model = recipe.train_heads(
            task,
            preset,
            layers,
            heads,
            seed=settings.seed,
            epochs=preset.study_epochs,
            checkpoints=settings.checkpoint,
        )
        scores = recipe.score_pairs(model, task, task.test, whole=True)
        name = f"{CHAPTER}_{SIZES}_{layers}_{heads}"
        glue(
            **{
                f"{name}_right": float(scores.right.mean()),
                f"{name}_loss": float(scores.loss.mean()),
            }
        )


def study_table(settings: Settings, *, folder: Path | None = None) -> Table:
    """Show what is recorded of the models that were trained for longer.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.
    """
    quick = settings.presets["quick"]
    quantities = {
        f"{layers} layers, {heads} heads: {label}": (
            f"{CHAPTER}_{SIZES}_{layers}_{heads}_{field}:{form}"
        )
        for layers, heads in quick["study"]
        for label, field, form in (
            ("right", "right", ".1%"),
            ("loss", "loss", ".4f"),
        )
    }
    return seeds_table(
        settings,
        CHAPTER,
        quantities,
        caption=f"Numbers of up to {STUDY_DIGITS} digits, {quick['study_epochs']} runs "
        f"through {STUDY_TRAIN:,} pairs: sentences right, and loss in nats",
        preset="quick",
        systems=SIZES,
        folder=folder,
    )


def record_real_heads(model: Any, task: TranslationTask, pairs: Sequence[Pair]) -> None:
    """Store what the heads of a translator of real sentences attend to, by ``glue``.

    Args:
        model: a Transformer that was trained on ``task``.
        task: has raw lines.
        pairs: sentences that are counted; the weights of one of them are stored.
    """
    uses = recipe.attention_uses(task, pairs)
    weights = recipe.head_weights(model, task.batch(pairs))
    tables = {name: recipe.head_table(weights, use) for name, use in uses.items()}
    shown = next((p for p in pairs if 8 <= len(p.source) <= 12), pairs[0])
    own = recipe.head_weights(model, task.batch([shown]))
    kept = {
        "source": shown.source,
        "target": shown.target,
        "weights": {
            name: (100 * table[0]).round().int().tolist() for name, table in own.items()
        },
        "tables": {
            name: {
                "labels": table.labels,
                "relations": table.relations,
                "shares": _rounded(table.shares),
                "entropy": _rounded(table.entropy),
                "uniform_shares": _rounded(table.uniform_shares),
                "uniform_entropy": round(table.uniform_entropy, 3),
            }
            for name, table in tables.items()
        },
    }
    glue(**{f"{CHAPTER}_real_heads": json.dumps(kept, ensure_ascii=False)})


def _rounded(values: Tensor) -> Any:
    return [round(value, 3) for value in values.flatten().tolist()]


class RealHeads:
    """Heads of a translator of real sentences, as a full run has recorded them.

    Attributes:
        source: words of one sentence.
        target: words of its translation in the test set.
        weights: of that sentence: (layers, heads, queries, keys) for each use.
        tables: of many sentences, scores of all heads for each use.
    """

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self.source: list[str] = [*kept["source"], "<eos>"]
        self.target: list[str] = [*kept["target"], "<eos>"]
        by_use: dict[str, list[Tensor]] = {}
        for name, table in kept["weights"].items():
            by_use.setdefault(name.split()[0], []).append(torch.tensor(table) / 100)
        self.weights = {use: torch.stack(layers) for use, layers in by_use.items()}
        self.tables = {name: _head_table(own) for name, own in kept["tables"].items()}


def _head_table(own: Mapping[str, Any]) -> HeadTable:
    relations = own["relations"]
    return HeadTable(
        labels=own["labels"],
        relations=relations,
        shares=torch.tensor(own["shares"]).view(-1, len(relations)),
        entropy=torch.tensor(own["entropy"]),
        uniform_shares=torch.tensor(own["uniform_shares"]).view(1, -1),
        uniform_entropy=own["uniform_entropy"],
    )


def recorded_heads(
    settings: Settings, *, folder: Path | None = None
) -> RealHeads | None:
    """Read the heads that the first full run has recorded.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.

    Returns:
        None if there is no record of the chapter's present settings.
    """
    name = f"{CHAPTER}_real_heads"
    found = recorded_results(settings, CHAPTER, name, preset="full", folder=folder)
    return RealHeads(found[0]) if found else None


def real_heads_table(heads: RealHeads | None) -> Table:
    """Show the heads that stand out: for each relation the one with the largest share.

    Args:
        heads: as from :func:`recorded_heads`.
    """
    caption = "Heads of a translator of real sentences, English to German (Multi30k)"
    header = ["use", "relation", "head with the largest share", "share", "uniform"]
    if heads is None:
        command = f'attention-book sweep {CHAPTER} --preset full -p "systems={REAL}"'
        note = f"{caption}: not measured yet. To record them: `{command} --seeds 0`"
        return Table(caption, [], [], notes=[note])
    rows = []
    for use, table in heads.tables.items():
        for relation in table.relations:
            label, _ = table.best(relation)
            share = table.column(relation).max().item()
            rows.append(
                [use, relation, label, f"{share:.2f}", f"{table.uniform(relation):.2f}"]
            )
    return Table(caption, header, rows)
