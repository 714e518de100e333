"""Tokens of a prompt, counted without the model: as its text encoder counts them."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.backbones.checkpoints import find
from pipeline.backbones.counting import TokenCounter
from pipeline.encoders.limit import text_length
from pipeline.encoders.text import TextEncoder
from pipeline.errors import ThroughlineError
from tests import checkpoints
from tests.paths import ROOT

TEXTS = ("", "A cat.", "cat " * 200, "José 🎩 runs; 米娅在跑步", "(red coat:1.3), <lora:paint:0.8> --ar 16:9", "  \n ")


def test_the_embedded_model_is_counted_as_its_encoder_counts():
    counter, encoder = TokenCounter.of(find()), TextEncoder.minilm()
    assert counter.max_tokens == encoder.max_tokens == 64
    assert [counter.count_tokens(text) for text in TEXTS] == [encoder.count_tokens(text) for text in TEXTS]


def test_a_checkpoint_with_t5_is_counted_as_its_encoder_counts(tmp_path: Path):
    folder = checkpoints.save(tmp_path / "checkpoint", "2b")
    counter = TokenCounter.of(folder)
    from pipeline.loading import load

    encoder = load(str(folder), "cpu").text
    assert counter.max_tokens == encoder.max_tokens
    assert [counter.count_tokens(text) for text in TEXTS] == [encoder.count_tokens(text) for text in TEXTS]


def test_half_a_surrogate_pair_is_refused_by_the_counter():
    with pytest.raises(ThroughlineError, match="surrogate"):
        text_length(TokenCounter.of(find()), "a \ud83d dog")


def test_counting_loads_neither_torch_nor_transformers():
    program = (
        "import sys; from pipeline.backbones.checkpoints import find; from pipeline.backbones.counting import *;"
        "assert TokenCounter.of(find()).count_tokens('A cat.') == 5;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "diffusers"} & set(done.stdout.split())
