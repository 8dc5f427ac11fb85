"""BERT (Devlin et al., 2019): model, heads, published weights."""

from attention_book.models.bert.config import (
    ACTIVATIONS,
    BERT_SIZES,
    BertClassifierConfig,
    BertConfig,
)
from attention_book.models.bert.model import (
    Bert,
    BertClassifier,
    BertEmbeddings,
    BertPretraining,
    MaskedWordHead,
)
from attention_book.models.bert.published import (
    from_published,
    load_published,
    published_names,
    read_published_config,
    to_published,
)

__all__ = [
    "ACTIVATIONS",
    "BERT_SIZES",
    "Bert",
    "BertClassifier",
    "BertClassifierConfig",
    "BertConfig",
    "BertEmbeddings",
    "BertPretraining",
    "MaskedWordHead",
    "from_published",
    "load_published",
    "published_names",
    "read_published_config",
    "to_published",
]
