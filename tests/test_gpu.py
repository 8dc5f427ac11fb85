"""What runs on a GPU: ``make gpu``, and the tests that need one."""

import subprocess
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention import MultiHeadAttention
from attention_book.functional import attend
from tools import gpu

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here"
)


@needs_gpu
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention_is_the_same_on_cuda(need_weights, causal):
    layer = MultiHeadAttention(16, 4).eval()
    tokens = torch.randn(3, 7, 16)
    mask = torch.ones(3, 1, 7, dtype=torch.bool)
    mask[1, :, 4:] = False
    options = {"need_weights": need_weights, "causal": causal}
    with torch.no_grad():
        expected, _ = layer(tokens, tokens, tokens, mask, **options)
        inputs = tokens.cuda()
        found, _ = layer.cuda()(inputs, inputs, inputs, mask.cuda(), **options)
    assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)


@needs_gpu
def test_a_row_without_keys_is_zero_on_cuda():
    scores = torch.randn(2, 3, 5, device="cuda", requires_grad=True)
    mask = torch.ones(2, 3, 5, dtype=torch.bool, device="cuda")
    mask[0, 1] = False
    context, weights = attend(scores, torch.randn(2, 5, 7, device="cuda"), mask)
    assert (weights[0, 1] == 0).all()
    context.sum().backward()
    assert scores.grad.isfinite().all()


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that would be run, each of which takes a minute."""
    clock, found = Clock(), []

    def run(command, *, timeout, stdout, **options):
        found.append(command[1:])
        clock.now += min(60, timeout)
        if timeout < 60:
            raise subprocess.TimeoutExpired(command, timeout)
        stdout.write("one\ntwo\n")
        return subprocess.CompletedProcess(command, int("mpcnn" in command))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(gpu, "FOLDER", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU 7")
    original = gpu.Runner
    monkeypatch.setattr(gpu, "Runner", lambda minutes: original(minutes, clock))
    return found


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "no CUDA device here" in capsys.readouterr().err


def test_the_first_things_come_first(commands, capsys, tmp_path):
    chapters = len(list(Path(gpu.ROOT, "book").glob("*.ipynb")))
    before = 1 + chapters + len(gpu.BENCHMARKS)
    assert gpu.main(["--minutes", str(before + 2 + gpu.LEAST_MINUTES)]) == 1
    assert commands[0][:3] == ["-m", "pytest", "-q"]
    kinds = [
        command[command.index("--preset") + 1]
        for command in commands
        if "--preset" in command
    ]
    assert kinds[:chapters] == ["quick"] * chapters
    assert kinds[chapters:] == ["full"] * 3
    assert all("device=cuda" in c for c in commands if "sweep" in c)
    assert [c[0] for c in commands].count("benchmarks/transformer.py") == 2
    said = capsys.readouterr().out
    assert said.startswith("GPU 7, PyTorch")
    assert "failed: mpcnn, quick" in said
    assert (tmp_path / "logs" / "tests.txt").read_text() == "one\ntwo\n"


def test_the_limit_stops_what_is_running(commands, capsys):
    assert gpu.main(["--minutes", "1.5"]) == 0
    assert len(commands) == 2
    assert "The time is over" in capsys.readouterr().out


def test_a_full_run_that_fails_is_not_tried_with_other_seeds(commands):
    rows = gpu.full_rows()
    gpu.main(["--minutes", "200"])
    tried = [c for c in commands if "full" in c and "mpcnn" in c]
    assert len(tried) == len([row for row in rows if row.chapter == "mpcnn"])
    others = [c for c in commands if "full" in c and "bahdanau" in c]
    assert len({c[c.index("--seeds") + 1] for c in others}) > 3
    parameters = [c[c.index("-p") + 2 :] for c in others]
    assert any("systems=RNNsearch" in given for given in parameters)


def test_all_broken_is_the_end(commands, monkeypatch):
    rows = [row for row in gpu.published() if row.chapter == "mpcnn"]
    monkeypatch.setattr(gpu, "full_rows", lambda: rows)
    gpu.main(["--minutes", "200"])
    assert len([c for c in commands if "full" in c]) == len(rows)  # each once
