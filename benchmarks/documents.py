"""Time of one training step of a hierarchical attention network.

All read 64 documents of 20 sentences with up to 25 words, with 100 units, and have the
same weights and the same loss. The peers are the same model called sentence by
sentence, and the loop of the usual ports: one sentence of every document at a time,
padded and masked. Printed are medians of our time over theirs, measured in turns, and
their quartiles.

    OMP_NUM_THREADS=1 python benchmarks/documents.py
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from common import machine, random_sentences, ratio
from torch import Tensor

from attention_book.data.documents.labelled import DocumentBatch
from attention_book.models.han import HAN, HANConfig

VOCAB, DOCUMENTS, SENTENCES, WORDS, UNITS = 5000, 64, 20, 25, 100


def make_batch(device: torch.device) -> DocumentBatch:
    """Random words; sentences have from 5 to 25, documents from 10 to 20 sentences."""
    lengths = torch.randint(5, WORDS + 1, (DOCUMENTS, SENTENCES))
    counts = torch.randint(SENTENCES // 2, SENTENCES + 1, (DOCUMENTS,))
    counts[0] = SENTENCES
    lengths[torch.arange(SENTENCES) >= counts[:, None]] = 0
    words, mask = random_sentences(lengths.flatten(), WORDS, VOCAB)
    shape = DOCUMENTS, SENTENCES, WORDS
    labels = torch.arange(DOCUMENTS) % 5
    return DocumentBatch(words.view(shape), mask.view(shape), labels).to(device)


def sentence_by_sentence(model: HAN, batch: DocumentBatch) -> Tensor:
    """Each sentence of each document is a batch of its own, without padding."""
    losses = []
    for words, mask, label in zip(
        batch.words, batch.word_mask, batch.labels, strict=True
    ):
        vectors = [
            model.read_words(row[None, None, :n], row[None, None, :n] > 0)
            for row, n in zip(words, mask.sum(1).tolist(), strict=True)
            if n
        ]
        found = torch.cat(vectors, dim=1)
        real = torch.ones(found.shape[:2], dtype=torch.bool, device=found.device)
        states = model.read_sentences(found, real)
        logits = model.classify(model.sentence_level.summarise(states, real))
        losses.append(F.cross_entropy(logits, label[None]))
    return torch.stack(losses).mean()


def position_by_position(model: HAN, batch: DocumentBatch) -> Tensor:
    """The first sentences of all documents together, then the second ones, and so on.

    The GRU runs over padding as well, as it does in ports that do not pack.
    """
    gru, level = model.word_level.encoder.gru, model.word_level
    vectors = []
    for i in range(batch.words.shape[1]):
        states, _ = gru(model.embedding(batch.words[:, i]))
        vectors.append(level.summarise(states, batch.word_mask[:, i]))
    real = batch.word_mask.any(2)
    states = model.read_sentences(torch.stack(vectors, dim=1), real)
    logits = model.classify(model.sentence_level.summarise(states, real))
    return F.cross_entropy(logits, batch.labels)


def seconds(loss: Callable[[], Tensor], model: HAN) -> float:
    """Time of one step with stochastic gradient descent."""
    start = time.perf_counter()
    model.zero_grad()
    loss().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-3 * parameter.grad
    if parameter.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.manual_seed(0)
    print(f"{machine(device.type)}; {DOCUMENTS} documents, {UNITS} units")
    config = HANConfig(
        vocab_size=VOCAB,
        num_classes=5,
        embed_dim=UNITS,
        hidden_dim=UNITS // 2,
        attention_dim=UNITS,
    )
    model, batch = HAN(config).to(device), make_batch(device)
    peers = {
        "sentence by sentence": sentence_by_sentence,
        "one sentence of each document at a time": position_by_position,
    }
    with torch.no_grad():
        apart = sentence_by_sentence(model, batch)
        torch.testing.assert_close(model.loss(batch), apart, rtol=1e-4, atol=1e-5)
    for name, peer in peers.items():
        ours, theirs = [], []
        for number in range(arguments.rounds + 1):
            mine = seconds(lambda: model.loss(batch), model)
            other = seconds(lambda peer=peer: peer(model, batch), model)
            if number:  # the first round warms up
                ours.append(mine)
                theirs.append(other)
        print(f"batched over {name}: {ratio(ours, theirs)}")


if __name__ == "__main__":
    main()
