"""A Whisper small enough for a test: the real architecture and tokenizer, byte by byte, with random weights."""

import torch
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

from earmark.speech.whisper import LoadedWhisper

MANY = ("en", "zh", "de", "yue")


def tiny_whisper(
    *, languages: tuple[str, ...] = MANY, seed: int = 3, sharpness: float = 0.35
) -> LoadedWhisper:
    """A checkpoint of those languages; of English alone where `languages` is empty."""
    tokenizer = _tokenizer(languages or ("en",))
    ids = tokenizer.get_vocab()
    config = WhisperConfig(
        vocab_size=len(ids), d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=80,
        max_target_positions=64, decoder_start_token_id=ids["<|startoftranscript|>"],
        bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|endoftext|>"], pad_token_id=ids["<|endoftext|>"],
        init_std=sharpness, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(config).eval()
    generation = model.generation_config
    generation._from_model_config = False  # or it is made anew when the folder is loaded
    generation.is_multilingual = bool(languages)
    generation.no_timestamps_token_id = ids["<|notimestamps|>"]
    generation.suppress_tokens = [ids["!"], ids["<|startoftranscript|>"]]
    generation.begin_suppress_tokens = [ids["Ġ"], ids["<|endoftext|>"]]
    generation.max_length = 64
    generation.return_timestamps = False
    if languages:
        generation.lang_to_id = {f"<|{each}|>": ids[f"<|{each}|>"] for each in languages}
        generation.task_to_id = {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]}
    return LoadedWhisper(model, WhisperProcessor(WhisperFeatureExtractor(), tokenizer), "tiny")


def _tokenizer(languages: tuple[str, ...]) -> WhisperTokenizer:
    steering = [
        "<|startoftranscript|>", *(f"<|{each}|>" for each in languages), "<|translate|>", "<|transcribe|>",
        "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    ]  # fmt: skip
    vocabulary = {
        piece: number for number, piece in enumerate([*bytes_to_unicode().values(), "<|endoftext|>"])
    }
    return WhisperTokenizer(vocab=vocabulary, merges=[], additional_special_tokens=steering)
