"""BERT's published weights: their tensor names, read and written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from attention_book.models.bert.config import BertConfig
from attention_book.models.bert.model import Bert, BertPretraining

_ENCODER, _HEAD = "bert.", "cls."
"""Prefixes of the names; a file without heads may leave out the first one."""

_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "embeddings.words.weight",
    "embeddings.position_embeddings.weight": "embeddings.positions.table",
    "embeddings.token_type_embeddings.weight": "embeddings.segments.weight",
    "embeddings.LayerNorm.weight": "embeddings.norm.weight",
    "embeddings.LayerNorm.bias": "embeddings.norm.bias",
}
_LAYER = {
    "attention.output.dense": "self_attention.out_proj",
    "attention.output.LayerNorm": "self_residual.norm",
    "intermediate.dense": "feed_forward.hidden_proj",
    "output.dense": "feed_forward.out_proj",
    "output.LayerNorm": "feed_forward_residual.norm",
}
_HEADS = {
    "cls.predictions.transform.dense.weight": "word_head.transform.weight",
    "cls.predictions.transform.dense.bias": "word_head.transform.bias",
    "cls.predictions.transform.LayerNorm.weight": "word_head.norm.weight",
    "cls.predictions.transform.LayerNorm.bias": "word_head.norm.bias",
    "cls.predictions.bias": "word_head.bias",
    "cls.seq_relationship.weight": "next_proj.weight",
    "cls.seq_relationship.bias": "next_proj.bias",
}
_SAME = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
"""Second names of shared tensors; a file has one of the two, or both."""
_BUFFERS = ("position_ids",)
_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "embed_dim",
    "num_attention_heads": "num_heads",
    "intermediate_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "max_position_embeddings": "max_positions",
    "type_vocab_size": "num_segments",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


def read_published_config(path: str | Path) -> BertConfig:
    """Read the ``config.json`` that lies beside published weights.

    Args:
        path: the file; "~" stands for the home folder.

    Raises:
        ValueError: if it is damaged, lacks a size, says that the model is another one,
            or names an activation that BERT has not.
        FileNotFoundError: if there is no such file.
    """
    path = Path(os.path.expanduser(path))
    try:
        described = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged or no JSON: fetch it again") from error
    model = described.get("model_type", "bert")
    positions = described.get("position_embedding_type", "absolute")
    if model != "bert" or positions != "absolute":
        raise ValueError(
            f"{path} must describe a bert with absolute positions, got {model} with "
            f"{positions} ones"
        )
    missing = sorted(_FIELDS.keys() - described.keys())
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    activation = described.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"{path}: hidden_act must be one of {', '.join(_ACTIVATIONS)}, got "
            f"{activation!r}"
        )
    return BertConfig(
        **{ours: described[theirs] for theirs, ours in _FIELDS.items()},
        activation=_ACTIVATIONS[activation],
        norm_epsilon=described.get("layer_norm_eps", 1e-12),
    )


def load_published(model: Bert | BertPretraining, path: str | Path) -> None:
    """Fill a model with published weights, from a file in safetensors format.

    Nothing is downloaded. The weights are numbers alone: no code is run.

    Args:
        model: of the sizes of the file, see :func:`read_published_config`. A
            :class:`~attention_book.models.bert.model.Bert` takes the encoder and leaves
            the heads; a :class:`~attention_book.models.bert.model.BertPretraining`
            needs both.
        path: the file; "~" stands for the home folder.

    Raises:
        ValueError: if the file is damaged, or as :func:`from_published`.
        FileNotFoundError: if there is no such file.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> from safetensors.torch import save_file
        >>> model = Bert(BertConfig(vocab_size=9))
        >>> with NamedTemporaryFile() as file:
        ...     save_file(to_published(model), file.name)
        ...     load_published(model, file.name)
    """
    from safetensors import SafetensorError, safe_open

    path = Path(os.path.expanduser(path))
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file: fetch it again"
        ) from error
    from_published(model, weights)


def from_published(
    model: Bert | BertPretraining, weights: Mapping[str, Tensor]
) -> None:
    """Fill a model with tensors that have the published names.

    The matrices of queries, keys and values, which are published one by one, become one
    matrix. Names of old files, ``gamma`` and ``beta``, are understood, names without
    ``bert.`` too; positions' numbers, which are no weights, are left out.

    Args:
        model: to be filled; its weights keep their device and dtype.
        weights: tensors by their names.

    Raises:
        ValueError: if a tensor is missing, has another shape than the model's, or is
            not known; or if two that are said to be shared differ. The message names
            it. The model is then as before.

    Source: the names are those of the converter in the library transformers from the
        variables of the authors' ``modeling.py``.
    """
    heads = isinstance(model, BertPretraining)
    given = _plain_names(weights)
    if not heads:
        given = {name: x for name, x in given.items() if not name.startswith(_HEAD)}
    table = published_names(model)
    wanted = {name for names in table.values() for name in names}
    problems = [f"lacks {name}" for name in sorted(wanted - given.keys())]
    problems += [f"has the unknown {name}" for name in sorted(given.keys() - wanted)]
    state = model.state_dict()
    for ours, theirs in table.items():
        shape = list(state[ours].shape)
        shape[0] //= len(theirs)
        problems += [
            f"has {name} of shape {tuple(given[name].shape)}, not {tuple(shape)}"
            for name in theirs
            if name in given and list(given[name].shape) != shape
        ]
    if problems:
        raise ValueError(
            f"weights must fit {model.config}, but the file {'; '.join(problems[:5])}"
        )
    model.load_state_dict(
        {
            ours: torch.cat([given[name] for name in theirs])
            for ours, theirs in table.items()
        }
    )


def to_published(model: Bert | BertPretraining) -> dict[str, Tensor]:
    """Return copies of a model's weights under the published names.

    Args:
        model: with heads or without.

    Returns:
        Shared tensors once: :math:`5 + 16 L + 2` for an encoder of :math:`L` layers,
        and 7 more for the heads.

    Example:
        >>> len(to_published(BertPretraining(BertConfig(vocab_size=9))))
        46
    """
    state = model.state_dict()
    return {
        name: part.clone()
        for ours, theirs in published_names(model).items()
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True)
    }


def published_names(model: Bert | BertPretraining) -> dict[str, tuple[str, ...]]:
    """Return for each tensor of a model the published ones that it is made of.

    Args:
        model: with heads or without.

    Returns:
        One name each; three for the stacked matrices and biases of queries, keys and
        values.

    Example:
        >>> names = published_names(Bert(BertConfig(vocab_size=9)))
        >>> names["encoder.layers.0.self_attention.in_proj.bias"][0]
        'bert.encoder.layer.0.attention.self.query.bias'
    """
    heads = isinstance(model, BertPretraining)
    inside = _ENCODER if heads else ""  # of our own names
    table: dict[str, tuple[str, ...]] = {
        inside + ours: (_ENCODER + name,) for name, ours in _EMBEDDINGS.items()
    }
    for layer in range(model.config.num_layers):
        theirs = f"{_ENCODER}encoder.layer.{layer}."
        ours = f"{inside}encoder.layers.{layer}."
        for kind in "weight", "bias":
            table[f"{ours}self_attention.in_proj.{kind}"] = tuple(
                f"{theirs}attention.self.{part}.{kind}"
                for part in ("query", "key", "value")
            )
            for name, part in _LAYER.items():
                table[f"{ours}{part}.{kind}"] = (f"{theirs}{name}.{kind}",)
    for kind in "weight", "bias":
        table[f"{inside}pooler.{kind}"] = (f"{_ENCODER}pooler.dense.{kind}",)
    if heads:
        table |= {ours: (name,) for name, ours in _HEADS.items()}
    return table


def _plain_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of today, each once."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name.endswith(_BUFFERS):
            continue
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
        name = name.replace("LayerNorm.beta", "LayerNorm.bias")
        if not name.startswith((_ENCODER, _HEAD)):
            name = _ENCODER + name
        name = _SAME.get(name, name)
        if name in found and not torch.equal(found[name], tensor):
            raise ValueError(f"weights must share {name}, but have two that differ")
        found[name] = tensor
    return found
