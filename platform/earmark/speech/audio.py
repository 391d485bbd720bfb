"""Audio as every room inside sees it: mono float32 samples at 16 kHz."""

SAMPLE_RATE = 16_000
MAX_CLIP_SECONDS = 30.0
MIN_CLIP_SECONDS = 0.1
