"""A GLM-ASR model small enough for a CPU: the real architecture, processor, prompt and special tokens.

Built untrained here; `models/train_glm_asr_tiny.py` trains it. Text is spelt in characters; a character
outside the vocabulary is spelt in UTF-8 bytes, so any annotator's text can be learned.
"""

import string
from collections.abc import Iterable

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import (
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    PreTrainedTokenizerFast,
    WhisperFeatureExtractor,
)

from earmark.speech.model_folder import LoadedModel, Manifest

PROMPT = "Please transcribe this audio into text"
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|pad|>",
    "<|begin_of_audio|>",
    "<|end_of_audio|>",
)
END_TOKENS = ("<|endoftext|>", "<|user|>", "<|observation|>")
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}{{ '<|assistant|>\n' }}"
    "{%- else -%}{{ '<|user|>\n' }}{%- endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'audio' -%}{{ '<|begin_of_audio|><|pad|><|end_of_audio|><|user|>\n' }}"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>\n' }}{%- endif -%}"
)
"""GLM-ASR's: user, the audio, user again, the request, then the assistant's turn."""


def tiny_tokenizer(characters: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of single characters: printable ASCII, `characters`, byte tokens for everything else.

    The standard request is one token, which keeps the prompt short. As in GLM's own tokenizers the padding
    token is an end token.
    """
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    printable = string.digits + string.ascii_letters + string.punctuation + " \n"
    pieces += sorted({*printable, *characters})
    model = models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=[], byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_tokens([AddedToken(PROMPT, normalized=False)])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def tiny_config(tokenizer: PreTrainedTokenizerFast, *, hidden: int = 128, layers: int = 3) -> GlmAsrConfig:
    """Encoder and language model of `layers` layers of width `hidden` each; 1.4 M parameters at 128 and 3."""
    heads = max(1, hidden // 32)
    ids = tokenizer.get_vocab()
    return GlmAsrConfig(
        audio_config={
            "hidden_size": hidden,
            "intermediate_size": 4 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_mel_bins": 80,
            "max_position_embeddings": 1500,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 3 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "max_position_embeddings": 2048,
            "eos_token_id": [ids[token] for token in END_TOKENS],
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            "tie_word_embeddings": True,
        },
        audio_token_id=ids["<|pad|>"],
    )


def untrained_tiny_model(
    characters: Iterable[str],
    *,
    seed: int,
    hidden: int = 128,
    layers: int = 3,
    manifest: Manifest | None = None,
) -> LoadedModel:
    """A model with random weights drawn from `seed`, ready to train or to test the plumbing with."""
    tokenizer = tiny_tokenizer(characters)
    processor = GlmAsrProcessor(
        WhisperFeatureExtractor(feature_size=80),
        tokenizer,
        chat_template=CHAT_TEMPLATE,
        default_transcription_prompt=PROMPT,
    )
    config = tiny_config(tokenizer, hidden=hidden, layers=layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GlmAsrForConditionalGeneration(config)
    ids = tokenizer.get_vocab()
    model.generation_config.eos_token_id = [ids[token] for token in END_TOKENS]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return LoadedModel(model.eval(), processor, manifest or Manifest(window="trimmed"), "untrained")
