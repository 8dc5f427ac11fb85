"""Any decoder with attention reads any encoder's annotations and mask."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.data.vocab import BOS, EOS
from attention_book.decoding.search import beam_search, greedy_search
from attention_book.functional import token_mask
from attention_book.models.bahdanau import RNNSearchDecoder
from attention_book.models.encoders.image import GridEncoder
from attention_book.models.encoders.speech import (
    PyramidSpeechEncoder,
    StridedSpeechEncoder,
)
from attention_book.models.encoders.text import BidirectionalGRU, StackedLSTM
from attention_book.models.encoders.video import FrameEncoder, VideoEncoder
from attention_book.models.global_local import LuongDecoder
from attention_book.models.soft_hard import ShowAttendTell, ShowAttendTellConfig

ROWS, TOKENS, INPUT, ANNOTATION, EMBED, HIDDEN, VOCAB = 3, 6, 7, 10, 5, 11, 13
LENGTHS = torch.tensor([6, 2, 4])


FRAMES = {
    "frames": lambda: FrameEncoder(ANNOTATION, 2),
    "video": lambda: VideoEncoder(ANNOTATION, 2),
    "speech": lambda: StridedSpeechEncoder(INPUT, ANNOTATION, 3, strides=(2,)),
    "pyramid": lambda: PyramidSpeechEncoder(INPUT, ANNOTATION, num_halvings=1),
}


@pytest.fixture(params=["gru", "lstm", "image", "image with a mask", *FRAMES])
def encoded(request):
    """Annotations of one size from each encoder, in float64."""
    inputs = torch.randn(ROWS, TOKENS, INPUT).double()
    if request.param == "gru":
        encoder = BidirectionalGRU(INPUT, ANNOTATION // 2).double()
        return encoder(inputs, token_mask(LENGTHS, TOKENS))
    if request.param == "lstm":
        encoder = StackedLSTM(INPUT, ANNOTATION, 2).double()
        return encoder(inputs, token_mask(LENGTHS, TOKENS))
    if request.param in FRAMES:
        encoder = FRAMES[request.param]().double()
        reduction = getattr(encoder, "reduction", 1)
        sizes = (INPUT,) if hasattr(encoder, "reduction") else (4, 5)
        frames = torch.randn(ROWS, reduction * TOKENS, *sizes).double()
        # The last annotation is of one real frame.
        lengths = reduction * (LENGTHS - 1) + 1
        return encoder(frames, token_mask(lengths, reduction * TOKENS))
    encoder = GridEncoder(ANNOTATION, 2).double().eval()
    mask = token_mask(LENGTHS, TOKENS) if "mask" in request.param else None
    return encoder(torch.rand(ROWS, 8, 12).double(), mask)


class FromVectors(nn.Module):
    """What a model adds to a decoder of vectors: the embedding of its words."""

    def __init__(self, decoder):
        super().__init__()
        self.embedding, self.decoder = nn.Embedding(VOCAB, EMBED), decoder
        self.start = decoder.start

    def decode(self, ids, state):
        return self.decoder(self.embedding(ids), state)

    def step(self, ids, state):
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state


@pytest.fixture(params=["bahdanau", "global", "local", "soft", "hard"])
def decoder(request):
    sizes = EMBED, HIDDEN, ANNOTATION
    if request.param == "bahdanau":
        attention = partial(AdditiveAttention, hidden_dim=3)
        options = {"summary_dim": 4, "maxout_dim": 2, "target_vocab": VOCAB}
        model = FromVectors(RNNSearchDecoder(*sizes, attention, **options))
    elif request.param in ("soft", "hard"):
        config = ShowAttendTellConfig(
            target_vocab=VOCAB,
            annotation_dim=ANNOTATION,
            embed_dim=EMBED,
            hidden_dim=HIDDEN,
            kind=request.param,
        )
        model = ShowAttendTell(config)
    else:
        attention = GlobalAttention
        if request.param == "local":
            attention = partial(LocalAttention, window=1)
        options = {"num_layers": 2, "target_vocab": VOCAB, "input_feeding": True}
        model = FromVectors(LuongDecoder(*sizes, attention, **options))
    return model.double().eval()


def test_every_decoder_reads_every_encoder(encoded, decoder):
    words = torch.randint(VOCAB, (ROWS, 4))
    together, _ = decoder.decode(
        words, decoder.start(encoded.annotations, encoded.mask)
    )
    assert together.shape == (ROWS, 4, VOCAB)
    if encoded.mask is None:
        return
    for row, length in enumerate(LENGTHS.tolist()):
        own = encoded.annotations[row : row + 1, :length]
        alone, _ = decoder.decode(words[row : row + 1], decoder.start(own))
        assert_close(together[row : row + 1], alone)


def test_every_decoder_can_be_searched(encoded, decoder):
    ends = {"batch_size": ROWS, "bos": BOS, "eos": EOS, "max_tokens": 4}
    state = decoder.start(encoded.annotations, encoded.mask)
    greedy = greedy_search(decoder.step, state, **ends)
    narrow = beam_search(decoder.step, state, beam_size=1, **ends)
    assert [one.tokens for one in greedy] == [one.tokens for one in narrow]
