"""The forward pass in JavaScript against PyTorch, layer by layer and model by model.

Weights are random and rounded to 16 bits; everything is compared in double precision.
"""

import base64
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.positions.absolute import sinusoids
from attention_book.data.vocab import BOS, EOS
from attention_book.figures.interactive import WEB
from attention_book.functional import masked_softmax
from attention_book.models.bahdanau import AttentionGRU, RNNSearch, RNNSearchConfig
from attention_book.models.encoders.image import CellEncoder
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.models.soft_hard import ShowAttendTell, ShowAttendTellConfig
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.training.export import export_weights, round_weights

TRIALS = 20
# No two sizes are equal, so that swapped ones cannot go unseen.
SIZES = {"source_vocab": 11, "target_vocab": 13}
RNN = {"embed_dim": 6, "hidden_dim": 10, "attention_dim": 7, "maxout_dim": 9}
MODELS = {
    f"RNNSearch {score}": (RNNSearch, RNNSearchConfig, {**RNN, "score": score})
    for score in ("additive", "dot", "none", "mean")
}
LSTM = {"embed_dim": 6, "hidden_dim": 10, "num_layers": 2}
MODELS |= {
    f"LuongTranslator {attention} {score} feeding {feeding}": (
        LuongTranslator,
        LuongConfig,
        {
            **LSTM,
            "attention": attention,
            "score": score,
            "window": None if attention == "global" else 2,
            "input_feeding": feeding,
        },
    )
    for attention, score, feeding in (
        ("global", "dot", False),
        ("global", "general", True),
        ("global", "concat", False),
        ("local-m", "general", False),
        ("local-p", "general", True),
        ("local-p", "concat", False),
    )
}
HEADS = {"embed_dim": 12, "num_heads": 3, "hidden_dim": 10, "num_layers": 2}
MODELS |= {
    f"Transformer {options}": (Transformer, TransformerConfig, {**HEADS, **options})
    for options in (
        {},
        {"pre_norm": True},
        {"positions": "none", "share": "none"},
        {"residual": False, "norm": "none"},
    )
}


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    page.set_default_timeout(120_000)  # a busy machine is slow and not wrong
    page.add_script_tag(path=WEB / "forward-pass.js")
    page.evaluate(
        """() => {
          window.F = attentionBook.forward;
          window.vec = (list) => Float64Array.from(list);
        }"""
    )
    yield page
    page.close()


@pytest.fixture
def run(page):
    """Call a function of the arguments' values; tensors arrive as nested lists."""

    def call(program, **given):
        plain = {
            name: value.tolist() if isinstance(value, torch.Tensor) else value
            for name, value in given.items()
        }
        names = ", ".join(plain)
        found = page.evaluate(f"({{{names}}}) => {program}", plain)
        return torch.tensor(found, dtype=torch.float64)

    return call


def layer(linear):
    """A linear layer as the script has it."""
    parts = {"weight": linear.weight, "bias": linear.bias}
    return {
        name: {"shape": list(part.shape), "data": part.flatten().tolist()}
        for name, part in parts.items()
        if part is not None
    }


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_all_16_bit_floats(run):
    bits = torch.arange(65536, dtype=torch.int32)
    expected = bits.to(torch.uint16).view(torch.float16).double()
    found = run(
        "Array.from({length: 65536}, (_, i) => String(F.half(i)))" + ".map(x =>"
        "x === 'NaN' ? 1e300 : x === 'Infinity' ? 1e301 : x === '-Infinity' ? "
        "-1e301 : Number(x))"
    )
    expected = expected.nan_to_num(1e300, posinf=1e301, neginf=-1e301)
    assert torch.equal(found, expected)


@torch.no_grad()
def test_linear_and_embedding(run):
    for _ in range(TRIALS):
        linear, x = nn.Linear(5, 7).double(), random(5)
        found = run("[...F.linear(w, x)]", w=layer(linear), x=x)
        assert_close(found, linear(x))
        found = run("[...F.linear(w, x, 2, 5)]", w=layer(linear), x=x)
        assert_close(found, linear(x)[2:5])
        embedding = layer(linear)["weight"]
        found = run("[...F.embed({weight: {...w, data: vec(w.data)}}, 3)]", w=embedding)
        assert_close(found, linear.weight[3])


def test_masked_softmax(run):
    for _ in range(TRIALS):
        scores, allowed = 9 * random(6), torch.rand(6) < 0.5
        found = run(
            "[...F.softmax(vec(scores), (i) => allowed[i])]",
            scores=scores,
            allowed=allowed,
        )
        assert_close(found, masked_softmax(scores, allowed))
    nothing = run("[...F.softmax(vec([1, 2]), () => false)]")
    assert torch.equal(nothing, torch.zeros(2, dtype=torch.float64))


@torch.no_grad()
def test_gru(run):
    for _ in range(TRIALS):
        cell, x, h = nn.GRUCell(5, 7).double(), random(5), random(7)
        gates = {
            kind: layer(
                SimpleNamespace(
                    weight=getattr(cell, f"weight_{kind}"),
                    bias=getattr(cell, f"bias_{kind}"),
                )
            )
            for kind in ("ih", "hh")
        }
        found = run("[...F.gru(g.ih, g.hh, x, vec(h))]", g=gates, x=x, h=h)
        assert_close(found, cell(x[None], h[None])[0])


@torch.no_grad()
def test_attention_gru(run):
    for _ in range(TRIALS):
        unit = AttentionGRU(5, 7, 3, AdditiveAttention(7, 3, 4)).double()
        x, h, c = random(5), random(7), random(3)
        gates = {
            name: layer(getattr(unit, f"{name}_proj"))
            for name in ("input", "state", "context")
        }
        found = run("[...F.attentionGru(g, x, vec(h), c)]", g=gates, x=x, h=h, c=c)
        outer = unit.input_proj(x) + unit.context_proj(c)
        weights = unit.state_proj.weight
        gate = (outer[:14] + weights[:14] @ h).sigmoid()
        candidate = (outer[14:] + weights[14:] @ (gate[:7] * h)).tanh()
        assert_close(found, (1 - gate[7:]) * h + gate[7:] * candidate)


@torch.no_grad()
def test_additive_scores(run):
    for _ in range(TRIALS):
        attention = AdditiveAttention(5, 7, 3).double()
        s, keys = random(5), random(4, 7)
        found = run(
            "[...F.additiveScores(query, score, s, keys.map(vec))]",
            query=layer(attention.query_proj),
            score=layer(attention.score_proj),
            s=s,
            keys=attention.project(keys[None])[0],
        )
        _, weights = attention(s[None, None], keys[None], keys[None])
        assert_close(found.softmax(dim=0), weights[0, 0])


def exported(kind, seed=0):
    """A random model with rounded weights, and its file."""
    model, config, sizes = MODELS[kind]
    torch.manual_seed(seed)
    made = model(config(**SIZES, **sizes)).eval()
    round_weights(made)
    made = (
        made.double()
    )  # then no equality is left to the last digit of single precision
    for buffer in ("source_positions", "target_positions"):
        if (layer := getattr(made, buffer, None)) is not None:
            layer.table = sinusoids(*layer.table.shape)
    return made, base64.b64encode(export_weights(made, {"a": 1})).decode()


@pytest.fixture
def decode(page):
    """Logits and weights of every step of some target, read by the script."""

    def call(file, source, target, **how):
        return page.evaluate(
            """({file, source, target, how}) => {
              const bytes = Uint8Array.from(atob(file), c => c.charCodeAt(0));
              const model = F.open(bytes);
              let state = model.start(source, how);
              return target.map((id) => {
                const one = model.step(state, id, how);
                state = one.state;
                return {logits: [...one.logits],
                  weights: one.weights?.map(heads => heads.map(head => [...head]))};
              });
            }""",
            {"file": file, "source": source, "target": target, "how": how},
        )

    return call


@pytest.mark.parametrize("kind", MODELS)
@torch.no_grad()
def test_models(decode, kind):
    for seed in range(TRIALS):
        model, file = exported(kind, seed)
        size = 1 + seed % 9
        source = [*torch.randint(4, 11, (size,)).tolist(), EOS]
        target = [BOS, *torch.randint(4, 13, (6,)).tolist()]
        found = decode(file, source, target)
        ids = torch.tensor([source])
        state = model.start(ids, torch.ones_like(ids, dtype=torch.bool))
        logits, _ = model.decode(torch.tensor([target]), state)
        steps = torch.tensor([step["logits"] for step in found], dtype=torch.float64)
        assert_close(steps, logits[0], atol=1e-9, rtol=0)


def captioner(seed, **options):
    """A random captioner with rounded weights, its file, an image and words to read."""
    sizes = {"annotation_dim": 6, "embed_dim": 5, "hidden_dim": 10, "attention_dim": 7}
    torch.manual_seed(seed)
    config = ShowAttendTellConfig(target_vocab=13, **sizes, **options)
    model = ShowAttendTell(config, CellEncoder(6, 4))
    model.encoder.train()(torch.rand(9, 32, 32))  # means and variances of its own
    model.eval()
    round_weights(model)
    file = base64.b64encode(export_weights(model, {"cell": 8})).decode()
    image = torch.rand(1, 32, 32, dtype=torch.float64)
    target = [BOS, *torch.randint(4, 13, (6,)).tolist()]
    return model.double(), file, image, target


def check_captions(found, output):
    logits = torch.tensor([step["logits"] for step in found], dtype=torch.float64)
    assert_close(logits, output.logits[0], atol=1e-9, rtol=0)
    weights = [step["weights"][0][0] for step in found]
    weights = torch.tensor(weights, dtype=torch.float64)
    assert_close(weights, output.weights[0], atol=1e-9, rtol=0)


@pytest.mark.parametrize("options", [{}, {"glance": False}, {"gate": False}])
@torch.no_grad()
def test_captioner_of_images(decode, options):
    for seed in range(5):
        model, file, image, target = captioner(seed, **options)
        found = decode(file, image.flatten().tolist(), target)
        check_captions(found, model(image, torch.tensor([target])))


@torch.no_grad()
def test_captioner_that_is_made_to_look_at_one_cell_or_at_all_alike(decode):
    """The other cells masked; all scores 0. An image has no padding to unmask."""
    for seed in range(5):
        model, file, image, target = captioner(seed)
        pixels, read = image.flatten().tolist(), torch.tensor([target])
        state = model.start(image)
        for cell in (0, 6, 15):
            only = state._replace(mask=torch.arange(16)[None] == cell)
            check_captions(
                decode(file, pixels, target, focus=cell), model.run(read, only)
            )
        model.attention.score_proj.weight.zero_()
        check_captions(
            decode(file, pixels, target, uniform=True), model.run(read, state)
        )
