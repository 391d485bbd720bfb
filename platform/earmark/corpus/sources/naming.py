"""What the field calls languages and sides, in our words."""

LANGUAGES = {
    "arabic": "ar", "cantonese": "yue", "chinese": "zh", "czech": "cs", "dutch": "nl", "english": "en", "finnish": "fi",
    "french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id",
    "italian": "it", "japanese": "ja", "korean": "ko", "malay": "ms", "mandarin": "zh", "mandarin chinese": "zh",
    "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es",
    "swedish": "sv", "tamil": "ta", "thai": "th", "turkish": "tr", "ukrainian": "uk", "vietnamese": "vi",
}  # fmt: skip
SIDES = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("dev", "development", "valid", "validation", "val", "cv"), "dev"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def language_code(name: str) -> str:
    """The code of a language known by its English name; any other text as it is, with hyphens (`zh_CN`: `zh-CN`)."""
    return LANGUAGES.get(name.strip().lower(), name.strip().replace("_", "-"))


def side(name: str) -> str:
    """`train`, `dev` or `test` for what others call them; any other text as it is."""
    return SIDES.get(name.strip().lower(), name)


def side_of(name: str) -> str:
    """The side that a name like `train-clean-100`, `dev.tsv` or `librispeech_test` speaks of; empty for none."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    found = {SIDES[word] for word in words if word in SIDES and word not in ("tr", "cv", "val")}
    found |= {SIDES[word] for word in words[:1] if word in SIDES}
    return found.pop() if len(found) == 1 else ""
