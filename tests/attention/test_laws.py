"""The laws of attention, for every mechanism in the table of mechanisms.

A new row in ``attention_book.chapters.taxonomy`` gets all of them. Where a row says
that a law does not hold, the test must fail: otherwise the row is wrong.
"""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.chapters.taxonomy import LAWS, MECHANISMS
from attention_book.observe import record_weights

DEVICES = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
OPTIONS = {  # one name for one thing in the whole package
    "bias",
    "causal",
    "dropout",
    "expected",
    "gate",
    "generator",
    "length",
    "linear",
    "mode",
    "need_weights",
    "previous_weights",
    "projected_key",
    "projected_kv",
    "scale",
    "sharpening",
    "shift",
    "step",
    "window",
}
B, Q, K = 2, 3, 5  # batch, queries, keys; the sizes of the rows differ from these
CASES = {
    f"{mechanism.name} {number}": (mechanism, example)
    for mechanism in MECHANISMS
    for number, example in enumerate(mechanism.examples)
}


class Call:
    """A layer, inputs for it, and what can be done to them.

    ``run`` returns a list of tensors, the weights last. An axis of a tensor belongs to
    the keys if it grows with their number.
    """

    def __init__(self, mechanism, example, dtype=torch.float64):
        self.layer = mechanism.build(example)
        self.options = dict(example.options)
        if isinstance(self.layer, nn.Module):
            self.layer.to(dtype)
            for parameter in self.layer.parameters():  # some start at 0
                nn.init.normal_(parameter)
            call = self.layer.forward
        else:
            call = self.layer
        self.on_request = "need_weights" in inspect.signature(call).parameters
        if self.on_request:
            self.options["need_weights"] = True
        sizes = example.sizes
        heads = [sizes["heads"]] if "heads" in sizes else []
        kinds = {
            "query key value": ((Q, "query", None), (K, "key", 1), (K, "value", 1)),
            "heads": ((Q, "query", None), (K, "key", 2), (K, "value", 2)),
            "sequence": ((K, "query", 2), (K, "key", 2), (K, "value", 2)),
            "pair": ((Q, "query", None), (K, "key", 1)),
            "key": ((K, "key", 1),),
        }[mechanism.call]
        self.inputs = [
            torch.randn(B, *heads, count, sizes[name], dtype=dtype)
            for count, name, _ in kinds
        ]
        self.key_axes = [axis for _, _, axis in kinds]
        self.queries = {"sequence": K, "key": 1}.get(mechanism.call, Q)

    def run(self, inputs=None, mask=None, layer=None, **options):
        inputs = self.inputs if inputs is None else inputs
        arguments = inputs if mask is None else (*inputs, mask)
        layer = self.layer if layer is None else layer
        result = layer(*arguments, **{**self.options, **options})
        return [*tensors(result[0]), result[1]]

    def mask(self, full=True):
        """Every query has a key; the last key is blocked for all."""
        mask = torch.rand(B, self.queries if full else 1, K) < 0.5
        mask[..., 1], mask[..., -1] = True, False
        return mask

    def cut(self, keys, inputs=None):
        """The inputs with their first keys alone."""
        return [
            tensor if axis is None else tensor.narrow(axis, 0, keys)
            for tensor, axis in zip(inputs or self.inputs, self.key_axes, strict=True)
        ]

    def permuted(self, order):
        return [
            tensor if axis is None else tensor.index_select(axis, order)
            for tensor, axis in zip(self.inputs, self.key_axes, strict=True)
        ]

    def row(self, b, inputs=None):
        return [tensor[b : b + 1] for tensor in inputs or self.inputs]

    def in_the_keys(self):
        """For each result, the axes that belong to the keys."""
        fewer = self.run(self.cut(K - 1))
        return [
            [axis for axis in range(a.ndim) if a.shape[axis] != b.shape[axis]]
            for a, b in zip(self.run(), fewer, strict=True)
        ]


class Views(Call):
    """The keys are the views of a token."""

    def __init__(self, mechanism, example, dtype=torch.float64):
        self.layer = mechanism.build(example).to(dtype)
        self.options, self.on_request, self.queries = {}, False, Q
        sizes = example.sizes["views"]
        self.inputs = [[torch.randn(B, Q, size, dtype=dtype) for size in sizes]]

    def cut(self, keys, inputs=None):
        return [views[:keys] for views in inputs or self.inputs]

    def permuted(self, order):
        return [[views[i] for i in order] for views in self.inputs]

    def row(self, b, inputs=None):
        return [[view[b : b + 1] for view in views] for views in inputs or self.inputs]


class Image(Call):
    """The keys are the pixels, and there is no mask."""

    def __init__(self, mechanism, example, dtype=torch.float64):
        self.layer = mechanism.build(example).to(dtype)
        self.options, self.on_request = {"need_weights": True}, True
        self.inputs = [torch.randn(B, example.sizes["image"], Q, K, dtype=dtype)]
        self.key_axes, self.queries = [3], Q


class Edges(Call):
    """Two graphs of nodes 0 to 2 and 3 to 4, and node 5, to which no edge leads."""

    edges = torch.tensor([[0, 2, 1, 0, 1, 4, 3, 3, 5], [1, 1, 0, 2, 2, 3, 3, 4, 4]])
    graphs = (slice(0, 3), slice(0, 5)), (slice(3, 6), slice(5, 9))  # nodes, edges

    def __init__(self, mechanism, example, dtype=torch.float64):
        self.layer = mechanism.build(example)
        self.options, self.on_request = {}, False
        if isinstance(self.layer, nn.Module):
            self.layer.to(dtype)
            for parameter in self.layer.parameters():
                nn.init.normal_(parameter)
        sizes = example.sizes
        self.inputs = [
            torch.randn(6, sizes["heads"], sizes[name], dtype=dtype)
            for name in ("query", "key", "value")
        ] + [self.edges]


KINDS = {"views": Views, "image": Image, "edges": Edges}


def make(case, dtype=torch.float64):
    mechanism, example = case
    return KINDS.get(mechanism.call, Call)(mechanism, example, dtype)


def tensors(nested):
    if torch.is_tensor(nested):
        return [nested]
    return [tensor for part in nested for tensor in tensors(part)]


def law(name):
    """Run a test for every case; it must fail where the row says so."""
    cases = []
    for label, case in CASES.items():
        reason = case[1].breaks.get(name)
        marks = ()
        if reason is not None:
            # The row says why; strict: a law that holds after all is a wrong row.
            wrong = AssertionError, TypeError, ValueError
            marks = pytest.mark.xfail(strict=True, reason=reason, raises=wrong)
        cases.append(pytest.param(case, id=label, marks=marks))
    return pytest.mark.parametrize("case", cases)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
def test_inputs_come_by_position_and_options_by_keyword(mechanism):
    found = mechanism.load()
    call = found.forward if inspect.isclass(found) else found
    parameters = dict(inspect.signature(call).parameters)
    parameters.pop("self", None)
    options = {n for n, p in parameters.items() if p.kind == p.KEYWORD_ONLY}
    inputs = {
        "pair": ["query", "key", "mask"],
        "key": ["key", "mask"],
        "views": ["views", "mask"],
        "edges": ["query", "key", "value", "edges"],
        "image": ["image"],
        "block": ["columns", "masks"],
    }.get(mechanism.call, ["query", "key", "value", "mask"])
    assert [name for name in parameters if name not in options] == inputs
    assert options <= OPTIONS
    if "mask" in inputs:
        assert parameters["mask"].default is None


def test_every_law_has_its_test():
    tests = {name.removeprefix("test_").replace("_", " ") for name in globals()}
    assert LAWS.keys() <= tests


@law("sum")
def test_sum(case):
    call = make(case)
    weights = call.run()[-1]
    if isinstance(call, Edges):
        targets = call.edges[1]
        sums = torch.zeros(6, *weights.shape[1:]).double()
        sums = sums.index_add(0, targets, weights)[targets.unique()]
    else:
        sums = weights.sum(-1)
    assert_close(sums, torch.ones_like(sums))
    assert (weights >= 0).all()


@law("blocked")
def test_blocked(case):
    call = make(case)
    for full in (False, True):
        mask = call.mask(full)
        weights = call.run(mask=mask)[-1]
        if weights.shape[-2] != mask.shape[1]:  # one sum over the queries
            mask = mask.any(dim=1, keepdim=True)
        if weights.ndim > mask.ndim:  # the same for all heads or features
            mask = mask[:, None]
        assert (weights.masked_select(~mask) == 0).all()
        assert (weights.masked_select(mask) != 0).any()


@law("padding")
def test_padding(case):
    call = make(case)
    if isinstance(call, Edges):  # of nodes
        more = [torch.cat([tensor, tensor[:2]]) for tensor in call.inputs[:3]]
        context, weights = call.run([*more, call.edges])
        assert_close([context[:6], weights], call.run())
        return
    for tensor in tensors(call.inputs):
        tensor.requires_grad_()
    mask = torch.arange(K) < torch.tensor([K, 2])[:, None]
    together = call.run(mask=mask[:, None])
    alone = call.run(call.row(1, call.cut(2)))
    total = 0.0
    for part, own in zip(together, alone, strict=True):
        part = part[1:]
        for axis, size in enumerate(own.shape):
            part = part.narrow(axis, 0, size)
        assert_close(part, own)
        total = total + part.sum()
    gradients = torch.autograd.grad(total, call.inputs, allow_unused=True)
    for gradient, axis in zip(gradients, call.key_axes, strict=True):
        if gradient is not None and axis is not None:
            assert (gradient[1:].narrow(axis, 2, K - 2) == 0).all()


@law("order")
def test_order(case):
    call = make(case)
    if isinstance(call, Edges):
        order = torch.randperm(call.edges.shape[1])
        context, weights = call.run()
        permuted = call.run([*call.inputs[:3], call.edges[:, order]])
        assert_close(permuted, [context, weights[order]])
        return
    order = torch.tensor([3, 0, 4, 1, 2])
    masked = not isinstance(call, Image)
    mask = call.mask() if masked else None
    before = call.run(mask=mask)
    after = call.run(call.permuted(order), mask[..., order] if masked else None)
    for part, own, axes in zip(before, after, call.in_the_keys(), strict=True):
        for axis in axes:
            if part.shape[axis] == K:  # windows are fewer
                part = part.index_select(axis, order)
        assert_close(own, part)


@law("batch")
def test_batch(case):
    call = make(case)
    if isinstance(call, Edges):
        context, weights = call.run()
        for nodes, edges in call.graphs:
            inputs = [tensor[nodes] for tensor in call.inputs[:3]]
            alone = call.run([*inputs, call.edges[:, edges] - nodes.start])
            assert_close(alone, [context[nodes], weights[edges]])
        return
    masks = [None] if isinstance(call, Image) else [None, call.mask()]
    for mask in masks:
        together = call.run(mask=mask)
        for b in range(B):
            alone = call.run(call.row(b), None if mask is None else mask[b : b + 1])
            assert_close(alone, [part[b : b + 1] for part in together])


@law("no keys")
def test_no_keys(case):
    call = make(case)
    leaves = [t for t in tensors(call.inputs) if t.is_floating_point()]
    for leaf in leaves:
        leaf.requires_grad_()
    # No NaN may arise on the way back either, even if a later step removes it.
    with torch.autograd.set_detect_anomaly(True):
        if isinstance(call, Edges):
            results = call.run()
            assert (results[0][5] == 0).all()
        else:
            mask = torch.tensor([[[True]], [[False]]]).expand(B, 1, K)
            results = call.run(mask=mask)
            if call.on_request:
                results += call.run(mask=mask, need_weights=False)[:-1]
            for part in results:
                assert (part[1] == 0).all()
                assert (part[0] != 0).any()
        sum(part.square().sum() for part in results).backward()
    if isinstance(call.layer, nn.Module):
        leaves += call.layer.parameters()
    assert all(leaf.grad is None or leaf.grad.isfinite().all() for leaf in leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@law("dtype")
def test_dtype(case, dtype):
    torch.manual_seed(0)
    call = make(case)
    want = call.run()[-1]

    def cast(nested):
        if torch.is_tensor(nested):
            return nested.to(dtype) if nested.is_floating_point() else nested
        return [cast(part) for part in nested]

    layer = call.layer.to(dtype) if isinstance(call.layer, nn.Module) else call.layer
    results = call.run(cast(call.inputs), layer=layer)
    assert all(part.dtype == dtype for part in results)
    assert all(part.isfinite().all() for part in results)
    loose = 0.15 if dtype == torch.bfloat16 else 1e-4
    assert_close(results[-1].double(), want, rtol=loose, atol=loose)


@pytest.mark.parametrize("device", DEVICES)
@law("device")
def test_device(case, device):
    """On meta tensors nothing has a value, so none can be read or copied."""
    call = make(case)
    want = call.run()

    def move(nested):
        if torch.is_tensor(nested):
            return nested.to(device)
        return [move(part) for part in nested]

    layer = call.layer.to(device) if isinstance(call.layer, nn.Module) else call.layer
    results = call.run(move(call.inputs), layer=layer)
    assert all(part.device.type == device for part in results)
    assert [part.shape for part in results] == [part.shape for part in want]
    if device == "cuda":
        assert_close([part.cpu() for part in results], want)


@law("copy")
def test_copy(case):
    call = make(case)
    want = call.run()
    for same in (copy.deepcopy(call.layer), pickle.loads(pickle.dumps(call.layer))):
        assert_close(call.run(layer=same), want, rtol=0, atol=0)


@law("compile")
def test_compile(case, no_shape_checks):
    torch.compiler.reset()  # else the variants of one layer would count as one
    call = make(case)
    compiled = torch.compile(call.layer, backend="eager", fullgraph=True)
    for options in ({}, {"need_weights": False})[: 1 + call.on_request]:
        assert_close(call.run(layer=compiled, **options), call.run(**options))
        if not isinstance(call, Image | Edges):
            mask = call.mask()
            got = call.run(mask=mask, layer=compiled, **options)
            assert_close(got, call.run(mask=mask, **options))


@law("export")
def test_export(case, no_shape_checks):
    call = make(case)

    class Whole(nn.Module):
        """The call with its options, as a module without keyword arguments."""

        def __init__(self):
            super().__init__()
            self.layer = call.layer

        def forward(self, *inputs):
            return call.run(inputs, layer=self.layer)

    exported = torch.export.export(Whole(), tuple(call.inputs)).module()
    assert_close(exported(*call.inputs), call.run())


@pytest.mark.parametrize("name", CASES)
def test_the_context_does_not_depend_on_who_wants_the_weights(name):
    call = make(CASES[name])
    if not call.on_request:
        return
    for mask in (None, call.mask()):
        if mask is not None and isinstance(call, Image):
            continue
        *context, weights = call.run(mask=mask, need_weights=False)
        assert weights is None
        assert_close(context, call.run(mask=mask)[:-1])


@pytest.mark.parametrize("name", CASES)
def test_recorded_weights(name):
    """Hooks get them, whether or not the caller asks for them."""
    call = make(CASES[name])
    if not isinstance(call.layer, nn.Module):
        return
    want = call.run()
    with record_weights(call.layer) as recorded:
        got = call.run(**({"need_weights": False} if call.on_request else {}))
    assert_close(got[:-1], want[:-1])
    assert list(recorded) == [""]  # nothing inside is a layer of its own
    assert_close(recorded[""], [want[-1].detach()])


@pytest.mark.parametrize("name", CASES)
def test_a_mask_without_its_query_axis_is_an_error(name, no_shape_checks):
    call = make(CASES[name])
    if isinstance(call, Image | Edges):
        return
    with pytest.raises(ValueError, match=r"mask must have one axis.*\(2, 5\)"):
        call.run(mask=torch.ones(B, K, dtype=torch.bool))
    with pytest.raises(TypeError, match="mask must be boolean, True = may attend"):
        call.run(mask=torch.ones(B, 1, K))
