"""What a round looks like in Label Studio: its settings, its labelling page, its tasks. Pure."""

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

AUDIO = "audio"
TRANSCRIPTION = "transcription"
QUALITY = "quality"
TITLE_LENGTH = 50

UNINTELLIGIBLE = "unintelligible"
SILENCE = "silence"
WRONG_LANGUAGE = "wrong_language"


@dataclass(frozen=True)
class Choice:
    """One thing to say about a clip: what we store, what annotators read, the key that ticks it."""

    code: str
    words: str
    key: str


CHOICES = (
    Choice("clear", "clear 清晰", "1"),
    Choice("noisy", "noisy 有噪声", "2"),
    Choice("several_speakers", "several speakers 多人说话", "3"),
    Choice(WRONG_LANGUAGE, "another language 语言不符", "4"),
    Choice(SILENCE, "nothing spoken 无人说话", "5"),
    Choice(UNINTELLIGIBLE, "unintelligible 听不清", "6"),
)

INSTRUCTION = """<p><b>Ctrl+P</b> plays and pauses, also while you type; <b>Ctrl+B</b> goes back a second.
Correct the text until it says exactly what is spoken, numbers as they are said; leave the box with <b>Tab</b>
and submit with <b>Ctrl+Enter</b>. If you cannot tell what is said, tick <b>unintelligible</b> (<b>6</b>) or
skip: both are worth more than a guess.</p>
<p><b>Ctrl+P</b> 播放/暂停（输入时也可用），<b>Ctrl+B</b> 后退一秒。把文字改成与所说完全一致，数字按读法书写；
按 <b>Tab</b> 离开文本框，按 <b>Ctrl+Enter</b> 提交。听不清时请勾选“听不清”（<b>6</b>）或跳过，不要猜。</p>"""

STYLE = """
.earmark .lsf-audio-tag { margin-bottom: 12px; }
.earmark textarea { font-size: 20px; line-height: 1.5; }
.earmark .lsf-textarea-tag { margin: 8px 0 16px; }
"""


def label_config() -> str:
    """The labelling page: waveform, editable transcription prefilled by the prediction, quality choices."""
    choices = "\n    ".join(
        f"<Choice value={quoteattr(one.words)} alias={quoteattr(one.code)} hotkey={quoteattr(one.key)}/>"
        for one in CHOICES
    )
    return f"""<View className="earmark">
  <Style>{STYLE}</Style>
  <Header value="$about" size="5"/>
  <Audio name="{AUDIO}" value="${AUDIO}" hotkey="space" height="96" zoom="true" speed="true" volume="true"/>
  <Header value="What is said 所说内容" size="4"/>
  <TextArea name="{TRANSCRIPTION}" toName="{AUDIO}" rows="2" editable="true" transcription="true"
    maxSubmissions="1" showSubmitButton="false" placeholder="Type exactly what is said 请逐字输入"/>
  <Header value="How it sounds 录音质量" size="4"/>
  <Choices name="{QUALITY}" toName="{AUDIO}" choice="multiple" showInline="true">
    {choices}
  </Choices>
</View>"""


def title(collection: str, number: int) -> str:
    """What annotators see in the list of projects, within Label Studio's 50 characters."""
    ending = f" · {number}"
    return collection[: TITLE_LENGTH - len(ending)] + ending


def settings(*, title: str, description: str) -> dict[str, Any]:
    """A new project's fields: least sure first, a skip ends the task, the prediction is where one starts."""
    return {
        "title": title,
        "description": description,
        "label_config": label_config(),
        "expert_instruction": INSTRUCTION,
        "show_instruction": True,
        "sampling": "Uncertainty sampling",
        "skip_queue": "IGNORE_SKIPPED",
        "show_skip_button": True,
        "enable_empty_annotation": True,
        "show_collab_predictions": True,
        "maximum_annotations": 1,
    }


def task(
    *,
    clip: int,
    round_id: int,
    batch: int,
    audio: str,
    about: str,
    seconds: float,
    confidence: float,
    text: str,
    model: str,
    place: float,
) -> dict[str, Any]:
    """One task with its pre-transcription. `place`: Label Studio asks the lowest first."""
    return {
        "data": {
            AUDIO: audio,
            "clip": clip,
            "round": round_id,
            "batch": batch,
            "about": about,
            "seconds": seconds,
            "confidence": confidence,
        },
        "predictions": [prediction(text=text, model=model, score=place)],
    }


def prediction(*, text: str, model: str, score: float) -> dict[str, Any]:
    """A pre-transcription that the editor renders: an empty one leaves the box empty, yet keeps its place."""
    filled = {
        "from_name": TRANSCRIPTION,
        "to_name": AUDIO,
        "type": "textarea",
        "value": {"text": [text]},
    }
    return {"model_version": model, "score": score, "result": [filled] if text else []}
