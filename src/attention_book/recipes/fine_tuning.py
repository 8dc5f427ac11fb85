"""Fine-tuning BERT on a few labels, beside training from scratch."""

import operator
import random
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attention_book.data.docstrings.classes import (
    BLANK,
    DocumentSplits,
    docstring_classes,
)
from attention_book.data.docstrings.corpus import load_docstrings
from attention_book.data.docstrings.pairs import PairSplits, docstring_pairs
from attention_book.data.pretraining import (
    SegmentPair,
    TextEncoder,
    finetuning_loader,
)
from attention_book.data.sentence_pairs.msrp import msrp
from attention_book.data.sequences.word_kinds import (
    NOUNS,
    LabelledParts,
    LabelledSentence,
)
from attention_book.data.wordpiece import WordPiece, read_word_pieces
from attention_book.models.bert import (
    Bert,
    BertClassifier,
    BertClassifierConfig,
    BertConfig,
    load_published,
    read_published_config,
)
from attention_book.recipes.pretraining import EVALUATION_BATCH, Texts
from attention_book.recipes.sentence_pairs.comparison import PairedGain, paired_gain
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import fit
from attention_book.training.optimizers import bert_optimizer
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import bert_decay

Labelled = tuple[SegmentPair, int]
"""A text, or two, and the number of its class."""

NAME = "name"
"""What is read where a document's name, or that of a library, was blanked out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledTask:
    """Texts with classes, as a fine-tuned model reads them.

    Attributes:
        train: texts to learn from, of which a few may be taken.
        test: texts to report.
        classes: their names, in the order of the labels.
        encoder: text to ids.
        device: where models are trained and run.
    """

    train: Sequence[Labelled]
    test: Sequence[Labelled]
    classes: tuple[str, ...]
    encoder: TextEncoder
    device: torch.device

    def few(self, count: int, seed: int) -> list[Labelled]:
        """Draw training texts, the same for each model with this seed.

        Args:
            count: how many; fewer if there are no more.
            seed: of the draw.
        """
        draw = random.Random(seed)
        return draw.sample(list(self.train), min(count, len(self.train)))

    @property
    def most_frequent(self) -> float:
        """Share of the most frequent class in the test texts."""
        labels = [label for _, label in self.test]
        return float(np.bincount(labels).max() / len(labels))

    @torch.no_grad()
    def right(self, model: BertClassifier) -> Float[np.ndarray, " texts"]:
        """Return 1 for each test text whose class is right, otherwise 0.

        Args:
            model: left in eval mode.
        """
        return (self.chosen(model) == self.labels()).astype(float)

    def labels(self) -> np.ndarray:
        """Return the classes of the test texts."""
        return np.array([label for _, label in self.test])

    @torch.no_grad()
    def chosen(self, model: BertClassifier) -> np.ndarray:
        """Return the class that a model chooses for each test text.

        Args:
            model: left in eval mode.
        """
        model.to(self.device).eval()
        rows: list[Tensor] = []
        loader = finetuning_loader(
            self.test, self.encoder.marks, batch_size=EVALUATION_BATCH
        )
        for batch in loader:
            batch = batch.to(self.device)
            logits = model(batch.ids, batch.token_mask, batch.segments)
            rows.append(logits.argmax(1).cpu())
        return torch.cat(rows).numpy()


@dataclass(frozen=True, kw_only=True)
class TuningPlan:
    """How a classifier is trained, from a pre-trained model or from scratch.

    Attributes:
        steps: optimizer steps, however few texts there are: runs through the texts are
            added until there are as many.
        batch_size: texts in a batch.
        learning_rate: at the end of the warm-up.
        warmup: share of the steps in which the rate rises.
        dropout: of the classified vector; that of the encoder is its own.
        least_epochs: runs through the texts at least.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    dropout: float = 0.1
    least_epochs: int = 1


def fine_tune(
    task: LabelledTask,
    start: Bert | BertConfig,
    plan: TuningPlan,
    *,
    texts: Sequence[Labelled],
    seed: int,
    checkpoint: Path | None = None,
    description: str = "",
) -> BertClassifier:
    """Train a classifier on some texts; nothing of the encoder is kept fixed.

    With one seed, a classifier from a pre-trained model and one from scratch see the
    same batches.

    Args:
        task: names of the classes, and device.
        start: a pre-trained model, whose weights are copied, or the sizes of a fresh
            one.
        plan: how.
        texts: to learn from.
        seed: of initial values and of the order of the texts.
        checkpoint: file that holds the run; None: it is not saved.
        description: words in front of the progress bar.
    """
    seed_everything(seed)
    config = start if isinstance(start, BertConfig) else start.config
    model = BertClassifier(
        BertClassifierConfig(
            bert=config, num_classes=len(task.classes), dropout=plan.dropout
        )
    )
    if isinstance(start, Bert):
        model.bert.load_state_dict(start.state_dict())
    loader = finetuning_loader(
        texts, task.encoder.marks, batch_size=plan.batch_size, seed=seed
    )
    epochs = max(plan.least_epochs, -(-plan.steps // len(loader)))
    steps = epochs * len(loader)
    fit(
        model,
        loader,
        epochs=epochs,
        learning_rate=plan.learning_rate,
        optimizer=bert_optimizer,
        schedule=bert_decay(steps, int(plan.warmup * steps)),
        clip_norm=1.0,
        device=task.device,
        checkpoint=checkpoint,
        description=description,
    )
    return model


class FewLabels(NamedTuple):
    """What classifiers reach with so many labels.

    Attributes:
        num_labels: how many there were.
        right: for each start, and for each of its runs, 1 or 0 for each test text.
    """

    num_labels: int
    right: dict[str, list[Float[np.ndarray, " texts"]]]

    def mean(self, start: str) -> float:
        """Share of right classes over all runs."""
        return float(np.mean(self.right[start]))

    def gain(
        self, start: str, other: str, groups: np.ndarray | None = None
    ) -> PairedGain:
        """By how much one start is better than another, text by text.

        Args:
            start: name of the one.
            other: name of the other.
            groups: number of each text's group, such as the noun that it is about;
                None: each text by itself.
        """
        return paired_gain(self.right[start], self.right[other], groups)

    def only(self, texts: slice) -> "FewLabels":
        """The same classifiers, on some of the test texts.

        Args:
            texts: which of them.
        """
        right = {
            name: [row[texts] for row in rows] for name, rows in self.right.items()
        }
        return FewLabels(self.num_labels, right)


def tune_with_few_labels(
    task: LabelledTask,
    starts: Mapping[str, Bert | BertConfig],
    plan: TuningPlan,
    *,
    counts: Iterable[int],
    seeds: Sequence[int],
    checkpoints: CheckpointFiles = no_checkpoints,
    name: str = "",
) -> list[FewLabels]:
    """Fine-tune from each start on as many labels as given, over some seeds.

    Args:
        task: the texts.
        starts: pre-trained models, or sizes of fresh ones, by name.
        plan: how.
        counts: numbers of labels.
        seeds: each draws its own texts; all starts get the same.
        checkpoints: give the runs their files.
        name: of the task, in the names of the runs.
    """
    found = []
    for count in counts:
        right: dict[str, list[Float[np.ndarray, " texts"]]] = {x: [] for x in starts}
        for seed in seeds:
            texts = task.few(count, seed)
            for label, start in starts.items():
                run = f"{name}, {count} labels, {label}, seed {seed}"
                model = fine_tune(
                    task,
                    start,
                    plan,
                    texts=texts,
                    seed=seed,
                    checkpoint=checkpoints(run),
                    description=run,
                )
                right[label].append(task.right(model))
        found.append(FewLabels(count, right))
    return found


def kinds_task(
    parts: LabelledParts, encoder: TextEncoder, *, device: torch.device
) -> LabelledTask:
    """Sentences of the small language whose noun's kind is to be named.

    Args:
        parts: of :func:`attention_book.data.sequences.word_kinds.labelled_kinds`; the
            test sentences are those with known nouns, then those with new ones.
        encoder: text to ids.
        device: where models are trained and run.
    """

    def rows(sentences: Sequence[LabelledSentence]) -> list[Labelled]:
        return [
            (SegmentPair(tuple(encoder.encode(" ".join(one.words)))), one.label)
            for one in sentences
        ]

    return LabelledTask(
        train=rows(parts.train),
        test=rows(parts.known) + rows(parts.new),
        classes=tuple(NOUNS),
        encoder=encoder,
        device=device,
    )


@torch.no_grad()
def swapped_words(model: Bert, groups: Sequence[Sequence[int]], *, seed: int) -> Bert:
    """Copy a model and exchange the embeddings of some words.

    A control for pre-training: all that the layers have learned stays, but each of the
    words is taken for another one. The embeddings of each group are dealt evenly to all
    groups; with a single group words are exchanged within it.

    Args:
        model: is not changed.
        groups: ids of the words, in groups of one size; no id occurs twice.
        seed: of the order within the groups.

    Raises:
        ValueError: if the groups are not of one size.
    """
    if len({len(group) for group in groups}) != 1:
        raise ValueError(
            f"groups must be of one size, got {[len(group) for group in groups]}"
        )
    copy = deepcopy(model)
    generator = torch.Generator().manual_seed(operator.index(seed))
    rows = torch.stack(
        [
            torch.tensor(group)[torch.randperm(len(group), generator=generator)]
            for group in groups
        ]
    )
    number, place = (torch.arange(size) for size in rows.shape)
    other = (number[:, None] + place) % len(groups)
    table = copy.embeddings.words.weight
    table[rows] = table[rows[other, (place + 1) % len(place)]]
    return copy


def plain_texts(splits: DocumentSplits, part: str) -> Texts:
    """Return the sentences of labelled docstrings, to pre-train on.

    Args:
        splits: from :func:`attention_book.data.docstrings.classes.docstring_classes`.
        part: "train", "dev" or "test".
    """
    return [
        [" ".join(_readable(sentence)) for sentence in document.sentences]
        for document in getattr(splits, part)
    ]


def library_task(
    splits: DocumentSplits,
    encoder: TextEncoder,
    *,
    max_tokens: int,
    num_test: int | None = None,
    seed: int,
    device: torch.device,
) -> LabelledTask:
    """Docstrings whose library is to be named, as one segment each.

    Args:
        splits: from :func:`attention_book.data.docstrings.classes.docstring_classes`.
        encoder: text to ids.
        max_tokens: longest input; what is longer is cut off at the end.
        num_test: number of test texts, drawn at random; None: all.
        seed: of the draw.
        device: where models are trained and run.
    """
    parts = []
    for documents in (splits.train, splits.test):
        rows = []
        for document in documents:
            words = (w for sentence in document.sentences for w in _readable(sentence))
            ids = encoder.encode(" ".join(words))[: max_tokens - 2]
            rows.append((SegmentPair(tuple(ids)), document.label))
        parts.append(rows)
    return LabelledTask(
        train=parts[0],
        test=_drawn(parts[1], num_test, seed),
        classes=splits.classes,
        encoder=encoder,
        device=device,
    )


def docstring_paraphrases(
    splits: PairSplits,
    encoder: TextEncoder,
    *,
    max_tokens: int,
    num_test: int | None = None,
    seed: int,
    device: torch.device,
) -> LabelledTask:
    """Pairs of first sentences: do two docstrings describe the same function?

    Args:
        splits: from :func:`attention_book.data.docstrings.pairs.docstring_pairs`.
        encoder: text to ids.
        max_tokens: longest input; the end of the longer sentence is cut off.
        num_test: number of test pairs, drawn at random; None: all.
        seed: of the draw.
        device: where models are trained and run.
    """
    parts = [
        [
            (
                _pair(encoder, " ".join(x.first), " ".join(x.second), max_tokens),
                x.label,
            )
            for x in pairs
        ]
        for pairs in (splits.train, splits.test)
    ]
    return LabelledTask(
        train=parts[0],
        test=_drawn(parts[1], num_test, seed),
        classes=("different", "the same"),
        encoder=encoder,
        device=device,
    )


def mrpc_task(
    encoder: TextEncoder,
    *,
    max_tokens: int,
    part: str = "test",
    limit: int | None = None,
    device: torch.device,
) -> LabelledTask:
    """The paraphrase corpus of Microsoft Research, one of BERT's tasks.

    Args:
        encoder: text to ids.
        max_tokens: as for :func:`docstring_paraphrases`.
        part: which pairs are reported: "test", the 1,725 of the official release, or
            "dev".
        limit: largest number of pairs of each part; None: no limit.
        device: where models are trained and run.
    """
    parts = [
        [
            (
                _pair(encoder, " ".join(x.first), " ".join(x.second), max_tokens),
                operator.index(x.label or 0),
            )
            for x in msrp(name)[:limit]
        ]
        for name in ("train", part)
    ]
    return LabelledTask(
        train=parts[0],
        test=parts[1],
        classes=("different", "paraphrase"),
        encoder=encoder,
        device=device,
    )


def library_and_paraphrase_tasks(
    encoder: TextEncoder,
    *,
    max_tokens: int,
    num_test: int | None = None,
    seed: int,
    device: torch.device,
) -> dict[str, LabelledTask]:
    """The two tasks that need no download: docstrings' libraries, and paraphrases.

    Args:
        encoder: text to ids.
        max_tokens: longest input.
        num_test: number of test texts, drawn at random; None: all.
        seed: of the draw.
        device: where models are trained and run.

    Returns:
        The tasks, as "libraries" and "paraphrases".
    """
    documents = load_docstrings().documents
    options: dict[str, Any] = {"max_tokens": max_tokens, "num_test": num_test}
    options |= {"seed": seed, "device": device}
    classes, pairs = docstring_classes(documents), docstring_pairs(documents)
    return {
        "libraries": library_task(classes, encoder, **options),
        "paraphrases": docstring_paraphrases(pairs, encoder, **options),
    }


def accuracy_and_f1(task: LabelledTask, model: BertClassifier) -> tuple[float, float]:
    """Return accuracy and F1 of class 1 on the test texts, both as fractions.

    Args:
        task: of two classes.
        model: left in eval mode.
    """
    from sklearn.metrics import f1_score

    chosen, labels = task.chosen(model), task.labels()
    return float((chosen == labels).mean()), float(f1_score(labels, chosen))


def published_start(folder: str | Path) -> tuple[WordPiece, Bert]:
    """Load a published checkpoint as a start for fine-tuning; nothing is downloaded.

    Args:
        folder: has ``config.json``, ``vocab.txt`` and ``model.safetensors``, as the
            public repositories of BERT do; "~" stands for the home folder.

    Returns:
        Its vocabulary and its encoder.

    Raises:
        ValueError: if a file is damaged, or they do not fit each other.
        FileNotFoundError: if one of them is missing.
    """
    folder = Path(folder).expanduser()
    config = read_published_config(folder / "config.json")
    encoder = read_word_pieces(folder / "vocab.txt")
    if len(encoder) != config.vocab_size:
        raise ValueError(
            f"{folder}: vocab.txt has {len(encoder)} pieces, config.json "
            f"{config.vocab_size}"
        )
    model = Bert(config)
    load_published(model, folder / "model.safetensors")
    return encoder, model


def _readable(words: Iterable[str]) -> list[str]:
    return [NAME if word == BLANK else word for word in words]


def _pair(
    encoder: TextEncoder, first: str, second: str, max_tokens: int
) -> SegmentPair:
    """Two texts of at most ``max_tokens - 3`` ids, cut at the longer one's end."""
    one, other = encoder.encode(first), encoder.encode(second)
    while len(one) + len(other) > max_tokens - 3:
        max(one, other, key=len).pop()
    return SegmentPair(tuple(one), tuple(other))


def _drawn(texts: list[Labelled], count: int | None, seed: int) -> list[Labelled]:
    if count is None or count >= len(texts):
        return texts
    return random.Random(seed).sample(texts, count)
