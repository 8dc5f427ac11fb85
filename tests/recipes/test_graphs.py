"""Node classifiers by the papers' rules, dictionary lookup, and what is measured."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.graph_attention import (
    GATAttention,
    GATv2Attention,
    add_self_loops,
)
from attention_book.data.graphs import (
    Graph,
    lookup_splits,
    undirected,
)
from attention_book.models.graph_attention import (
    GAT,
    GATConfig,
    GraphAttention,
    LookupConfig,
)
from attention_book.recipes.graphs import (
    SYSTEMS,
    NodeTraining,
    edge_weights,
    hold_scores,
    layer_evenness,
    learn_choice,
    lookup_accuracy,
    lookup_weights,
    node_attention,
    train_lookup,
    train_nodes,
    train_system,
)

NODES = 24
SHORT = NodeTraining(epochs=6)


@pytest.fixture
def graph():
    nodes = torch.arange(NODES)
    labels = nodes * 3 // NODES
    pairs = [(i, j) for i in range(NODES) for j in (i + 1, i + 2) if j < NODES]
    return Graph(
        features=(torch.randn(NODES, 31) + 2 * torch.eye(3, 31)[labels]).to_sparse(),
        edges=undirected(pairs),
        labels=labels,
        train=nodes[::3],
        dev=nodes[1::3],
        test=nodes[2::3],
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_trains_and_a_seed_gives_the_same_twice(graph, name):
    runs = [
        train_system(name, graph, SHORT, seed=seed, device="cpu") for seed in (0, 0, 1)
    ]
    losses = [run.history.epoch_loss for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert len(losses[0]) == (200 if "GCN" in name else 6)
    assert 0 <= runs[0].accuracy <= runs[0].best_accuracy <= 1


def test_an_mlp_sees_the_features_of_its_own_node_alone(graph):
    for name in ("MLP", "GCN's MLP"):
        model = train_system(name, graph, SHORT, seed=0, device="cpu").model
        loops = add_self_loops(graph.edges[:, :0], NODES)
        changed = graph.features.to_dense()
        before = model(changed, loops)
        changed[5] += 1
        assert_close(model(changed, loops)[:5], before[:5])


def test_in_training_an_mlp_always_sees_its_own_node(graph):
    kept = {}
    for name in ("MLP", "uniform"):
        model = train_system(name, graph, SHORT, seed=0, device="cpu").model
        layer = next(m for m in model.modules() if isinstance(m, GATAttention)).train()
        rows = torch.ones(NODES, *layer.query_score.shape)
        loops = add_self_loops(graph.edges[:, :0], NODES)
        kept[name] = layer(rows, rows, rows, loops)[0].ne(0).float().mean()
    assert kept["MLP"] == 1 > kept["uniform"]


def test_without_loops_a_node_is_no_neighbour_of_itself(graph):
    model = train_system("without loops", graph, SHORT, seed=0, device="cpu").model
    hold_scores(model)  # or its query would still show
    features = graph.features.to_dense()
    before, _ = model.hidden(features, graph.edges)
    features[5] += 1
    after, _ = model.hidden(features, graph.edges)
    assert_close(after[5], before[5])
    assert not torch.allclose(after[6], before[6])


def test_without_such_a_system(graph):
    with pytest.raises(ValueError, match=r"name must be one of MLP, .*got 'gat'"):
        train_system("gat", graph, SHORT, seed=0)
    with pytest.raises(ValueError, match=r"rule must be one of both.*got 'loss'"):
        NodeTraining(rule="loss")


def looped(graph):
    return graph.with_edges(add_self_loops(graph.edges, NODES))


def plain_rule(losses, scores, patience):
    """The loop of GAT's code: when it stops, and which step it has saved."""
    lowest, highest, waited, saved = math.inf, 0.0, 0, None
    for step, (loss, score) in enumerate(zip(losses, scores, strict=True)):
        if score >= highest or loss <= lowest:
            if score >= highest and loss <= lowest:
                saved = step
            highest, lowest = max(score, highest), min(loss, lowest)
            waited = 0
        else:
            waited += 1
            if waited == patience:
                return step, saved
    return len(losses) - 1, saved


@pytest.mark.parametrize("seed", range(3))
def test_stops_and_restores_as_the_authors_code(graph, seed):
    torch.manual_seed(seed)
    model = GAT(GATConfig(in_dim=31, num_classes=3))
    training = NodeTraining(patience=7, learning_rate=0.05, epochs=300)
    run = train_nodes(model, looped(graph), training, device="cpu")
    history = run.history
    step, saved = plain_rule(history.dev_loss, history.dev_score, 7)
    assert (step, saved) == (len(history.dev_loss) - 1, run.kept)
    assert step < 299, "it stopped"
    logits = model.eval()(graph.features, looped(graph).edges)
    right = (logits.argmax(-1) == graph.labels)[graph.test].float().mean().item()
    assert run.accuracy == right, "the weights are those of the kept step"
    assert run.last_accuracy == run.test_curve[-1]


def test_accuracy_alone_may_decide(graph):
    torch.manual_seed(0)
    model = GAT(GATConfig(in_dim=31, num_classes=3))
    training = NodeTraining(patience=7, rule="accuracy", epochs=300)
    history = train_nodes(model, looped(graph), training, device="cpu").history
    assert history.dev_loss == [-score for score in history.dev_score]
    last_best = (
        len(history.dev_score)
        - 1
        - history.dev_score[::-1].index(max(history.dev_score))
    )
    assert history.best_epoch == last_best


@pytest.mark.parametrize("first_only", [True, False])
def test_weights_decay_by_the_gradient_of_the_penalty(graph, first_only):
    model = GAT(GATConfig(in_dim=31, num_classes=3, dropout=0.0)).double()
    graph = looped(graph)
    graph = Graph(**{**vars(graph), "features": graph.features.double()})
    weights = list(model.parameters())
    decayed = list(model.hidden.parameters()) if first_only else weights
    penalty = 0.5 * 0.1 * sum(p.square().sum() for p in decayed)
    gradients = torch.autograd.grad(model.loss(graph) + penalty, weights)
    # The first step of Adam, from zero: its size is the rate, whatever the gradient.
    want = [
        p - 0.01 * g / (g.abs() + 1e-8) for p, g in zip(weights, gradients, strict=True)
    ]
    want = [p.detach().clone() for p in want]
    training = NodeTraining(
        epochs=1,
        learning_rate=0.01,
        weight_decay=0.1,
        first_layer_only=first_only,
        rule="none",
    )
    train_nodes(model, graph, training, device="cpu")
    assert_close(list(model.parameters()), want, check_stride=False)


def test_held_scores_stay_0(graph):
    run = train_system("uniform", graph, SHORT, seed=0, device="cpu")
    assert all((p == 0).all() for p in run.model.hidden.attention.parameters())
    weights = edge_weights(run.model, looped(graph))
    degree = looped(graph).edges[1].bincount()
    for layer in ("hidden", "output"):
        want = (1 / degree)[looped(graph).edges[1]]
        assert_close(weights[layer], want[:, None].expand_as(weights[layer]))
    found = node_attention(weights["output"], looped(graph).edges, NODES)
    assert_close(found.evenness, torch.ones(NODES))
    assert found.degree.equal(degree)
    for even in layer_evenness(run.model, graph).values():
        assert_close(even, torch.ones(NODES))
    learned = train_system("GAT", graph, SHORT, seed=0, device="cpu").model
    weights = edge_weights(learned, looped(graph))["hidden"]
    want = node_attention(weights, looped(graph).edges, NODES).evenness
    assert_close(layer_evenness(learned, graph)["hidden"], want)
    assert (want < 1).any()


def test_evenness_is_entropy_over_that_of_equal_weights():
    edges = torch.tensor([[0, 1, 2, 1], [0, 0, 0, 1]])
    weights = torch.tensor([[0.5, 1.0], [0.25, 0.0], [0.25, 0.0], [1.0, 1.0]])
    evenness = node_attention(weights, edges, 3).evenness
    want = -(0.5 * math.log(0.5) + 0.5 * math.log(0.25)) / math.log(3) / 2
    assert_close(evenness[0].item(), want)
    assert evenness[1:].isnan().all()


def test_lookup_is_trained_and_scored():
    splits = lookup_splits(6, seed=0)
    config = LookupConfig(num_keys=6, score="gatv2", shared=False, hidden_dim=32)
    run = train_lookup(
        config, splits, epochs=25, seed=0, batch_size=32, most_graphs=400, device="cpu"
    )
    assert run.train > 0.9
    assert lookup_accuracy(run.model, splits.train[:50]) > 0.8
    values = splits.train[0]
    weights = lookup_weights(run.model, values)
    assert weights.shape == (1, 6, 6)
    assert_close(weights.sum(dim=-1), torch.ones(1, 6))
    assert (weights[0].argmax(dim=1) == torch.arange(6)).float().mean() > 0.8


def test_a_choice_is_learned_where_the_score_allows_it():
    nodes, choice = torch.randn(3, 5), (1, 2, 0)
    right = {}
    for shared in (True, False):
        layer = GraphAttention(
            5, GATv2Attention(1, 16), num_heads=1, head_dim=16, shared=shared
        )
        hold_nothing = learn_choice(layer, nodes, choice, steps=300)
        right[shared] = (hold_nothing.argmax(dim=1) == torch.tensor(choice)).all()
    assert right[False]
    assert not right[True]
    hold_scores(layer)
    assert not any(p.requires_grad for p in layer.attention.parameters())
