"""What a round looks like in Label Studio: its settings, its labelling page, its tasks. Pure.

The page is versioned: VERSION counts up whenever what annotators see or say changes, stands in the page's class and in
each task's data, and the names of controls never take another meaning, so that `annotation.answers` reads them all.
1 had a transcription and quality choices; 2 adds turns, what is said around a clip, and the glossary.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

VERSION = 2
AUDIO = "audio"
TRANSCRIPTION = "transcription"
QUALITY = "quality"
TURNS = "turns"
TURN_TEXT = "turn_text"
AROUND = "around"
TITLE_LENGTH = 50
LONG_SECONDS = 12.0
"""Clips longer than this may be cut into turns by whoever labels them."""
LONGEST_CONTEXT = 160
"""Characters shown of what is said before and after a clip."""

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
    Choice("noisy", "noise 有噪声", "2"),
    Choice("several_speakers", "overlapping speech 多人同时说话", "3"),
    Choice(WRONG_LANGUAGE, "another language 语言不符", "4"),
    Choice(SILENCE, "not speech 无人说话", "5"),
    Choice(UNINTELLIGIBLE, "unintelligible 听不清", "6"),
)
SPEAKERS = (
    Choice("speaker_a", "speaker A 说话人甲", "7"),
    Choice("speaker_b", "speaker B 说话人乙", "8"),
    Choice("speaker_c", "speaker C 说话人丙", "9"),
    Choice("speaker_d", "speaker D 说话人丁", "0"),
)


@dataclass(frozen=True)
class Page:
    """What the labelling page of a project has beside the transcription and the quality choices.

    `has_turns`: some of its clips are longer than LONG_SECONDS. `glossary`: names and terms, as they are to be written.
    """

    has_turns: bool = False
    glossary: Sequence[str] = ()


@dataclass(frozen=True)
class Surroundings:
    """What is around a clip: texts that come before and after it in its recording, empty where there is none, the
    address of its audio with a margin, and where in that it begins and ends, in seconds.
    """

    before: str = ""
    after: str = ""
    audio: str = ""
    begins: float = 0.0
    ends: float = 0.0


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
.earmark .said-around h4, .earmark .terms h4 { margin: 4px 0 !important; font-size: 15px; font-weight: 400; }
.earmark .said-around h4, .earmark .terms h4 { opacity: 0.75; }
.earmark .terms { display: flex; flex-wrap: wrap; gap: 4px 24px; }
"""
_VERSION = re.compile(r"\bearmark-v(\d+)\b")


def label_config(page: Page = Page()) -> str:
    """The labelling page: waveform, editable transcription prefilled by the prediction, quality choices."""
    panels = [_AROUND, *([_turns()] if page.has_turns else []), *_terms(page.glossary)]
    return f"""<View className="earmark earmark-v{VERSION}">
  <Style>{STYLE}</Style>
  <Header value="$about" size="5"/>
  <View className="said-around"><Header value="$before" size="6"/></View>
  <Audio name="{AUDIO}" value="${AUDIO}" hotkey="space" height="96" zoom="true" speed="true" volume="true"/>
  <View className="said-around"><Header value="$after" size="6"/></View>
  <Header value="What is said 所说内容" size="4"/>
  <TextArea name="{TRANSCRIPTION}" toName="{AUDIO}" rows="2" editable="true" transcription="true"
    maxSubmissions="1" showSubmitButton="false" placeholder="Type exactly what is said 请逐字输入"/>
  <Header value="How it sounds 录音质量" size="4"/>
  <Choices name="{QUALITY}" toName="{AUDIO}" choice="multiple" showInline="true">
    {_options("Choice", CHOICES)}
  </Choices>
  <Collapse accordion="false" open="false">
    {"".join(panels)}
  </Collapse>
</View>"""


def version_of(config: str) -> int:
    """The version of a labelling page of ours, also where somebody changed it; 0 where there is no sign of us."""
    found = _VERSION.search(config)
    if found:
        return int(found[1])
    return 1 if 'className="earmark"' in config else 0


_AROUND = f"""<Panel value="Two seconds more on either side 前后各多听两秒">
      <HyperText name="{AROUND}" value="${AROUND}" inline="true"/>
    </Panel>"""


_TURNS_TOLD = (
    "Choose a speaker, drag over the waveform, type what they say 先选说话人，再在波形上拖动，然后输入文字"
)


def _turns() -> str:
    return f"""
    <Panel value="Who speaks when, for long clips 长音频：分段与说话人（可选）">
      <View className="terms"><Header value="{_TURNS_TOLD}" size="6"/></View>
      <Labels name="{TURNS}" toName="{AUDIO}">
        {_options("Label", SPEAKERS)}
      </Labels>
      <TextArea name="{TURN_TEXT}" toName="{AUDIO}" perRegion="true" rows="1" editable="true" maxSubmissions="1"
        displayMode="region-list" placeholder="What this speaker says 该说话人所说"/>
    </Panel>"""


def _terms(glossary: Sequence[str]) -> list[str]:
    terms = "".join(f'<Header value={quoteattr(one)} size="6"/>' for one in glossary)
    if not terms:
        return []
    return [
        f"""
    <Panel value="Names and terms 术语与专名"><View className="terms">{terms}</View></Panel>"""
    ]


def _options(tag: str, options: Sequence[Choice]) -> str:
    return "\n    ".join(
        f"<{tag} value={quoteattr(one.words)} alias={quoteattr(one.code)} hotkey={quoteattr(one.key)}/>"
        for one in options
    )


def glossary_lines(glossary: str) -> tuple[str, ...]:
    """The terms of a glossary as a person wrote it, one a line; a $ would be read as the name of task data."""
    return tuple(line.strip().replace("$", "＄") for line in glossary.splitlines() if line.strip())


def title(collection: str, number: int) -> str:
    """What annotators see in the list of projects, within Label Studio's 50 characters."""
    ending = f" · {number}"
    return collection[: TITLE_LENGTH - len(ending)] + ending


def settings(*, title: str, description: str, page: Page = Page()) -> dict[str, Any]:
    """A new project's fields: least sure first, a skip ends the task, the prediction is where one starts."""
    return {
        "title": title,
        "description": description,
        "label_config": label_config(page),
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
    around: Surroundings = Surroundings(),
) -> dict[str, Any]:
    """One task with its pre-transcription. `place`: Label Studio asks the lowest first."""
    return {
        "data": {
            AUDIO: audio,
            AROUND: _player(around),
            "before": f"… {around.before[-LONGEST_CONTEXT:]}" if around.before else "",
            "after": f"{around.after[:LONGEST_CONTEXT]} …" if around.after else "",
            "config": VERSION,
            "clip": clip,
            "round": round_id,
            "batch": batch,
            "about": about,
            "seconds": seconds,
            "confidence": confidence,
        },
        "predictions": [prediction(text=text, model=model, score=place)],
    }


def _player(around: Surroundings) -> str:
    """A player of the browser's own: a second one of Label Studio's would take the keys of the first."""
    if not around.audio:
        return ""
    span = f"{around.begins:.1f}–{around.ends:.1f} s"
    told = (
        f"The clip is {span} of this; what is around it is quieter. 本片段为其中 {span}，前后部分音量较低。"
    )
    return f'<p>{told}</p><audio controls preload="none" src={quoteattr(around.audio)}></audio>'


def prediction(*, text: str, model: str, score: float) -> dict[str, Any]:
    """A pre-transcription that the editor renders: an empty one leaves the box empty, yet keeps its place."""
    filled = {
        "from_name": TRANSCRIPTION,
        "to_name": AUDIO,
        "type": "textarea",
        "value": {"text": [text]},
    }
    return {"model_version": model, "score": score, "result": [filled] if text else []}
