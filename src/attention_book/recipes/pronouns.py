"""What a pronoun stands for: train one layer of attention, see where it looks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.attention.self_attention import SelfAttention
from attention_book.data.sequences.labelled import labelled_batches
from attention_book.data.sequences.pronouns import (
    LIVING,
    PLACES,
    PronounSentence,
    pronoun_ids,
    pronoun_sentences,
    pronoun_words,
)
from attention_book.models.self_attention import PronounConfig, PronounModel
from attention_book.observe import record_weights
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import fit
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import linear_decay


class PronounScores(NamedTuple):
    """What a model does with the test sentences.

    Attributes:
        right: share of right pronouns where the two nouns have different genders.
        referent: mean weight of the last word on the noun that it describes.
        other: mean weight on the other noun.
        largest: share of sentences in which the former is the largest of all weights.
    """

    right: float
    referent: float
    other: float
    largest: float


@dataclass(frozen=True, kw_only=True)
class PronounStudy:
    """Sentences with a pronoun, and how models learn from them.

    Attributes:
        train: sentences to learn from.
        test: sentences with other pairs of nouns.
        seed: of the models and of the order of the sentences.
        device: where models are trained.
        steps: optimizer steps of one epoch.
        epochs: how often these are repeated.
        learning_rate: of the first step; it falls linearly to 0.
        batch_size: number of sentences in a batch.
        checkpoints: give each training run its file.
    """

    train: list[PronounSentence]
    test: list[PronounSentence]
    seed: int
    device: torch.device
    steps: int
    epochs: int = 1
    learning_rate: float = 1e-2
    batch_size: int = 64
    checkpoints: CheckpointFiles = no_checkpoints

    def fit(
        self,
        name: str,
        *,
        prepare: Callable[[SelfAttention], None] | None = None,
        **fields: Any,
    ) -> PronounModel:
        """Train a new model; it is returned in eval mode, on the CPU.

        Args:
            name: of the run.
            prepare: called with each layer of the new model before it is trained.
            **fields: of the config, such as ``num_layers``.
        """
        seed_everything(self.seed)
        config = PronounConfig(vocab=len(pronoun_words()), **fields)
        model = PronounModel(config)
        for layer in model.layers:
            if prepare is not None and isinstance(layer, SelfAttention):
                prepare(layer)
        batches = labelled_batches(
            *pronoun_ids(self.train),
            batch_size=self.batch_size,
            steps=self.steps,
            seed=self.seed,
        )
        fit(
            model,
            batches,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            schedule=linear_decay(self.epochs * len(batches)),
            clip_norm=1.0,
            device=self.device,
            checkpoint=self.checkpoints(name),
        )
        return model.cpu()

    def score(self, model: PronounModel) -> PronounScores:
        """Test a model on the CPU."""
        weights = pronoun_weights(model, self.test)[:, -1]
        rows = torch.arange(len(self.test))
        referents = torch.tensor([one.referent for one in self.test])
        others = torch.tensor([one.other for one in self.test])
        right = self.right(model)[different_genders(self.test)]
        return PronounScores(
            right=right.float().mean().item(),
            referent=weights[rows, referents].mean().item(),
            other=weights[rows, others].mean().item(),
            largest=(weights.argmax(dim=-1) == referents).float().mean().item(),
        )

    @torch.no_grad()
    def right(self, model: PronounModel) -> Bool[Tensor, " sentences"]:
        """Whether the pronoun of each test sentence is right."""
        ids, labels = pronoun_ids(self.test)
        return model(ids).argmax(dim=-1) == labels


def pronoun_study(
    *,
    sentences: int,
    steps: int,
    seed: int,
    device: torch.device,
    epochs: int = 1,
    limit: int | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> PronounStudy:
    """Draw the sentences of a study.

    Args:
        sentences: number of training sentences.
        steps: optimizer steps of one epoch.
        seed: decides everything.
        device: where models are trained.
        epochs: how often the steps are repeated.
        limit: most training sentences, and most steps; None: no limit.
        checkpoints: give each training run its file.

    Example:
        >>> cpu = torch.device("cpu")
        >>> study = pronoun_study(sentences=20, steps=3, seed=0, device=cpu)
        >>> len(study.train), len(study.test)
        (20, 576)
    """
    most = limit or max(sentences, steps)
    train, test = pronoun_sentences(min(sentences, most), seed=seed)
    return PronounStudy(
        train=train,
        test=test,
        seed=seed,
        device=device,
        steps=min(steps, most),
        epochs=epochs,
        checkpoints=checkpoints,
    )


def different_genders(
    sentences: Sequence[PronounSentence],
) -> Bool[Tensor, " sentences"]:
    """Whether the two nouns of each sentence have different genders in German.

    Where they have the same, the last word need not be read.
    """
    genders = LIVING | PLACES
    return torch.tensor(
        [
            genders[one.words[one.referent]] != genders[one.words[one.other]]
            for one in sentences
        ]
    )


@torch.no_grad()
def pronoun_weights(
    model: PronounModel, sentences: Sequence[PronounSentence], *, layer: int = 0
) -> Float[Tensor, "sentences queries keys"]:
    """Return the weights of one layer of a model on the CPU, for each sentence.

    Args:
        model: the model.
        sentences: at least one.
        layer: number of the layer, from 0.
    """
    ids, _ = pronoun_ids(list(sentences))
    with record_weights(model) as recorded:
        model(ids)
    return recorded[f"layers.{layer}"][0]


def hold_uniform(attention: SelfAttention) -> None:
    """Hold the queries at 0: all scores are 0, all weights equal, and stay so."""
    attention.query_proj.weight.requires_grad_(False).zero_()


PRONOUN_ARMS: Mapping[str, Callable[[SelfAttention], None] | None] = {
    "self-attention": None,
    "plain average": hold_uniform,
}
"""By name, what is done to a new layer; they differ in the weights alone."""
