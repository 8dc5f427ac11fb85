"""The translators of the page "Try it": trained small, rounded, exported for a browser.

All learn the same data, numbers in words, from English to German, so that they share
their vocabularies. Sizes and training are those of the chapters' quick runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.captions.digit_scenes import (
    DigitScene,
    assign_digits,
    digit_images,
)
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.models.encoders.image import CellEncoder
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.models.soft_hard import ShowAttendTell
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.recipes.captions import (
    CaptionTask,
    CaptionTraining,
    build_captioner,
    scene_annotations,
    scene_task,
    train_captioner,
    train_encoder,
)
from attention_book.recipes.transformer import TRANSFORMER_PRESETS, warm_up_plan
from attention_book.recipes.translation import (
    TrainingPlan,
    TranslationTask,
    numbers_task,
)
from attention_book.training.export import export_weights, round_weights
from attention_book.training.loop import History
from attention_book.training.runtime import seed_everything

LONGEST = 14
"""Words of the longest number that is learned from, ``<eos>`` not counted."""


@dataclass(frozen=True, kw_only=True)
class TryModel:
    """A translator that the page offers.

    Attributes:
        label: its name on the page.
        note: what is special about it, a sentence or two.
        model: class of the model.
        config: class of its config.
        sizes: fields of the config, apart from the vocabularies.
        plan: how it is trained.
        epochs: runs through the pairs.
        breaks: what the reader can break, by the names in ``figures/web/try-it.js``;
            nothing where there is no attention.
    """

    label: str
    note: str
    model: Callable[[Any], nn.Module]
    config: Callable[..., Any]
    sizes: Mapping[str, Any]
    plan: TrainingPlan
    epochs: int = 2
    breaks: Sequence[str] = ("uniform", "padding")

    @property
    def layers(self) -> int:
        """Number of layers of attention over the source, 0 without attention."""
        if not self.breaks:
            return 0
        return self.sizes["num_layers"] if "num_heads" in self.sizes else 1

    @property
    def heads(self) -> int:
        """Heads of each layer."""
        return self.sizes.get("num_heads", 1)

    @property
    def written(self) -> bool:
        """Whether the decoder attends to its own words as well."""
        return self.model is Transformer


@dataclass(frozen=True, eq=False)
class RoundedModel:
    """A trained translator with rounded weights.

    Attributes:
        name: its key in :data:`TRY_MODELS`.
        model: in eval mode, on the CPU.
        history: of its training.
    """

    name: str
    model: nn.Module
    history: History = field(repr=False)


_RNN_PLAN = TrainingPlan(batch={"batch_size": 32}, learning_rate=3e-3)
_RNN_SIZES = {
    "embed_dim": 64,
    "hidden_dim": 80,
    "attention_dim": 80,
    "maxout_dim": 64,
    "dropout": 0.2,
}

_LUONG_PLAN = TrainingPlan(batch={"batch_size": 32}, learning_rate=5e-3)
_LUONG_SIZES = {
    "embed_dim": 64,
    "hidden_dim": 64,
    "num_layers": 1,
    "input_feeding": True,
    "dropout": 0.0,
}
_QUICK = TRANSFORMER_PRESETS["quick"]

TRY_MODELS: dict[str, TryModel] = {
    "bahdanau": TryModel(
        label="Bahdanau: additive attention",
        note="A bidirectional GRU reads the number; the decoder attends to all of its "
        "states before each word.",
        model=RNNSearch,
        config=RNNSearchConfig,
        sizes=_RNN_SIZES,
        plan=_RNN_PLAN,
    ),
    "one_vector": TryModel(
        label="One vector: the same network without attention",
        note="The last states of the encoder are all that the decoder ever sees.",
        model=RNNSearch,
        config=RNNSearchConfig,
        sizes=_RNN_SIZES | {"score": "none"},
        plan=_RNN_PLAN,
        breaks=(),
    ),
    "luong_global": TryModel(
        label="Luong: global attention",
        note="An LSTM on each side; the decoder's top state is the query, scored by a "
        "bilinear product.",
        model=LuongTranslator,
        config=LuongConfig,
        sizes=_LUONG_SIZES,
        plan=_LUONG_PLAN,
    ),
    "luong_local": TryModel(
        label="Luong: local attention (local-p)",
        note="Each step predicts where to look, and sees four words to either side of "
        "it; uniform weights lift the window too.",
        model=LuongTranslator,
        config=LuongConfig,
        sizes=_LUONG_SIZES | {"attention": "local-p", "window": 4},
        plan=_LUONG_PLAN,
    ),
    "transformer": TryModel(
        label="Transformer: two layers of four heads",
        note="No recurrence: order is known by the positions alone. Each layer of the "
        "decoder attends to its own words, then to the number; both can be seen.",
        model=Transformer,
        config=TransformerConfig,
        sizes={**_QUICK.sizes, "share": "target"},
        plan=warm_up_plan(_QUICK.batch, _QUICK.learning_rate, _QUICK.warmup_steps),
        breaks=("uniform", "padding", "positions"),
    ),
}
"""The page's translators by name, in the order in which the page offers them."""


def try_task(
    seed: int, device: torch.device, *, limit: int | None = None
) -> TranslationTask:
    """Numbers of up to twelve digits, and only the shorter ones to learn from.

    Training pairs have at most :data:`LONGEST` English words, test pairs any length, so
    that the page can show what happens beyond the lengths of training.

    Args:
        seed: of the choice of numbers.
        device: where models are trained and run.
        limit: most pairs of each part; None: all.
    """
    task = numbers_task(
        "en",
        "de",
        train=8_000,
        test=500,
        max_digits=12,
        seed=seed,
        device=device,
        max_tokens=60,
    )
    short = [pair for pair in task.train if len(pair.source) <= LONGEST]
    return replace(task, train=short[:limit], test=task.test[:limit])


def train_for_page(
    task: TranslationTask, name: str, seed: int, *, epochs: int | None = None
) -> RoundedModel:
    """Train one of the page's translators, and round its weights to 16 bits.

    Args:
        task: as from :func:`try_task`.
        name: a key of :data:`TRY_MODELS`.
        seed: of the model and of the order of the pairs.
        epochs: runs through the pairs; None: as many as the model's entry says.

    Raises:
        ValueError: if there is no such model.
    """
    if name not in TRY_MODELS:
        raise ValueError(f"name must be one of {', '.join(TRY_MODELS)}, got {name!r}")
    own = TRY_MODELS[name]
    model = task.build(own.model, own.config, seed, **own.sizes)
    epochs = own.epochs if epochs is None else epochs
    history = task.fit(model, own.plan, epochs=epochs, seed=seed, description=name)
    round_weights(model)
    return RoundedModel(name, model.eval().cpu(), history)


def export_for_page(task: TranslationTask, trained: RoundedModel) -> bytes:
    """Return the file of a translator: weights, config and both vocabularies.

    Args:
        task: what it was trained on.
        trained: as from :func:`train_for_page`.
    """
    source, target = (list(vocab.tokens) for vocab in task.vocabs)
    about = {"languages": list(task.languages), "source": source, "target": target}
    return export_weights(trained.model, about)


SCENES = "scenes"
"""The captioner's name among those that can be exported."""

CELL = 8
"""Pixels of a cell of a digit scene: the digits stand in the cells of a 4 x 4 grid."""


def train_scene_captioner(
    seed: int, *, epochs: int = 6, limit: int | None = None
) -> tuple[CaptionTask[DigitScene], ShowAttendTell]:
    """Train the captioner of digit scenes, soft attention over 16 cells, and round it.

    Scenes, encoder and decoder are those of the quick run of the chapter on soft and
    hard attention. The model that comes back reads images.

    Args:
        seed: of scenes, models and batches.
        epochs: runs through the captions; the encoder has at most four.
        limit: most scenes of each part; None: all.

    Returns:
        The scenes, with the annotations of the rounded encoder, and the captioner.
    """
    device = torch.device("cpu")
    task = scene_task(
        train=3000, dev=200, test=600, max_digits=2, step=CELL, seed=seed, limit=limit
    )
    seed_everything(seed)
    dim = 32
    encoder = CellEncoder(dim, hidden_dim=64, cell_size=CELL)
    train_encoder(
        encoder,
        annotation_dim=dim,
        step=CELL,
        epochs=min(4, epochs),
        seed=seed,
        device=device,
        limit=limit,
    )
    round_weights(encoder)
    task = task.annotated(**scene_annotations(encoder, task, device=device))
    model = build_captioner(task, "soft", seed=seed, annotation_dim=dim)
    training = CaptionTraining(
        epochs=epochs,
        batch_size=50,
        learning_rate=1e-2,
        dev_batch_size=500,
        seed=seed,
        device=device,
    )
    train_captioner(model, task, training, "digit scenes")
    model.encoder = encoder
    round_weights(model)
    return task, model.eval()


def export_scene_captioner(
    task: CaptionTask[DigitScene], model: ShowAttendTell
) -> bytes:
    """Return the file of the captioner: encoder, decoder, config and words.

    Args:
        task: as from :func:`train_scene_captioner`.
        model: its captioner.
    """
    return export_weights(model, {"target": list(task.vocab.tokens), "cell": CELL})


def held_out_digits(
    seed: int, each: int = 5
) -> tuple[Float[Tensor, "images 8 8"], list[int]]:
    """Return images of single digits that only test scenes show, and their labels.

    Args:
        seed: that of the scenes.
        each: most images of each of the ten digits.

    Example:
        >>> images, labels = held_out_digits(0, each=2)
        >>> images.shape, labels[:4]
        (torch.Size([20, 8, 8]), [0, 0, 1, 1])
    """
    images, labels = digit_images()
    pool = assign_digits(np.random.default_rng(seed))["test"]
    chosen = [
        number
        for digit in range(10)
        for number in [one for one in pool if labels[one] == digit][:each]
    ]
    return torch.from_numpy(images[chosen]), labels[chosen].tolist()
