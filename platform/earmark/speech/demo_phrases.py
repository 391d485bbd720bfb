"""What demo speakers say: numbers and short commands, each dialect with words of its own.

Dialects differ in sound and in words, as they do among people: a Scot switches on the telly and rings granny, a
Cantonese speaker asks `而家几点`. Cantonese is written in simplified characters, the colloquial words as people write
them. Numbers and most commands are common to all, so a few labels go a long way.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from earmark.speech.errors import EarmarkError

_ONES_EN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS_EN = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DIGITS_ZH = "零一二三四五六七八九"
_HELD_OUT_EVERY = 5
_OPEN_SLOTS = ("{number}", "{digits}")


class Phrase(NamedTuple):
    """What the synthesiser is given, what a careful annotator writes, and whether a model must not train on it.

    One in five of the phrases with a number or digits in them is held out, by a hash of the text.
    """

    say: str
    reference: str
    held_out: bool


@dataclass(frozen=True)
class Grammar:
    """How a dialect's phrases are made: weighted templates and the words their slots choose from."""

    language: str
    templates: Sequence[tuple[int, str]]
    words: Mapping[str, Sequence[str]]


GRAMMARS: Mapping[str, Grammar] = {
    "american": Grammar(
        "en",
        (
            (6, "{number}"), (5, "{digits}"), (4, "turn on the {device}"), (4, "turn off the {device}"),
            (2, "open the {opening}"), (2, "close the {opening}"), (3, "set the alarm for {hour}"),
            (2, "wake me at {hour}"), (2, "call {person}"), (2, "call room {number}"), (2, "channel {number}"),
            (2, "volume {number}"), (2, "go to page {number}"), (1, "play the next song"), (1, "stop the music"),
            (2, "go {direction}"),
        ),
        {
            "device": ("light", "fan", "radio", "music"),
            "opening": ("door", "window"),
            "person": ("mom", "dad"),
            "direction": ("left", "right", "up", "down"),
        },
    ),
    "scottish": Grammar(
        "en",
        (
            (6, "{number}"), (5, "{digits}"), (4, "switch on the {device}"), (4, "switch off the {device}"),
            (2, "open the {opening}"), (2, "shut the {opening}"), (3, "wake me at half {hour}"),
            (2, "ring {person}"), (2, "ring room {number}"), (2, "channel {number}"), (2, "volume {number}"),
            (1, "a wee bit louder"), (1, "a wee bit quieter"), (2, "go {direction}"),
        ),
        {
            "device": ("light", "telly", "kettle", "fire"),
            "opening": ("door", "window", "gate"),
            "person": ("granny", "mum"),
            "direction": ("left", "right", "up", "down"),
        },
    ),
    "caribbean": Grammar(
        "en",
        (
            (6, "{number}"), (5, "{digits}"), (4, "put on the {device}"), (4, "lock off the {device}"),
            (2, "open the {opening}"), (2, "lock the {opening}"), (3, "wake me {hour} o'clock"),
            (2, "call {person}"), (2, "call room {number}"), (2, "channel {number}"), (2, "volume {number}"),
            (1, "turn it up"), (1, "turn it down"), (2, "go {direction}"),
        ),
        {
            "device": ("light", "fan", "stove", "radio"),
            "opening": ("door", "window", "gate"),
            "person": ("mommy", "auntie"),
            "direction": ("left", "right", "up", "down"),
        },
    ),
    "mandarin": Grammar(
        "zh",
        (
            (6, "{number}"), (5, "{digits}"), (4, "打开{device}"), (4, "关上{device}"), (3, "{hour}点叫我"),
            (3, "设{hour}点的闹钟"), (2, "打电话给{person}"), (2, "{number}号房"), (2, "第{number}台"),
            (2, "音量{number}"), (1, "下一首歌"), (1, "播放音乐"), (1, "停止音乐"), (1, "大声一点"), (1, "小声一点"),
            (2, "向{direction}走"), (1, "现在几点"), (1, "今天几号"),
        ),
        {
            "device": ("灯", "电视", "空调", "门", "窗"),
            "person": ("爸爸", "妈妈"),
            "direction": ("左", "右", "上", "下"),
        },
    ),
    "cantonese": Grammar(
        "yue",
        (
            (6, "{number}"), (5, "{digits}"), (4, "开{device}"), (4, "关{device}"), (3, "{hour}点叫我"),
            (3, "设{hour}点嘅闹钟"), (2, "打电话畀{person}"), (2, "{number}号房"), (2, "第{number}台"),
            (2, "音量{number}"), (1, "下一首歌"), (1, "播放音乐"), (1, "停止音乐"), (1, "大声啲"), (1, "细声啲"),
            (2, "转{direction}"), (1, "而家几点"), (1, "今日几号"),
        ),
        {
            "device": ("灯", "电视", "冷气", "门", "窗"),
            "person": ("爸爸", "妈妈"),
            "direction": ("左", "右"),
        },
    ),
}  # fmt: skip

_DRILL_WORDS: Mapping[str, str] = {
    "en": (
        "about above again air all apple arm baby bag ball bath beach bed big bird blue boat book bottle box bread "
        "bring brother bus but buy cake car cat chair cheese child city clean clear cloud coat coffee cold come "
        "cook cup day deep dog doll draw dream dress drink drive dry each ear early east egg every eye face fall far "
        "fast feel feet find finger fish floor flower food foot forest fresh friend from fruit full garden girl give "
        "glass gold good green ground hair half hand happy hard have head hear heavy help here high hill hold home "
        "horse hot house how ice it jacket job juice jump just keep key kind kitchen know lake land large laugh "
        "leaf lemon letter line lion little long look loud love low lunch make man many map market may meat middle "
        "milk money moon morning mountain mouth move much my name near neck never new nice night noise north nose "
        "not now ocean often oil old orange other our out over paint pan paper park pay pen people picture pink "
        "place plan plate point poor press price pull push put queen quick quiet rain reach read red rice river road "
        "rock roof round run sad safe salt sand say school sea see sell send shape sharp she shine ship shirt shoe "
        "shop short show sick side silver sing sister sit skin sky sleep slow small smile smoke snow soap soft some "
        "soon sound soup south spoon spring square stand star start station stay stone storm story street strong "
        "sugar summer sun sweet swim table take talk tall tea tell thank them then there thick thin thing think "
        "this throw time today toe tomorrow tooth town train travel tree true under use very village visit voice "
        "walk wall want warm wash watch water wave way we wear weather week west wet what wheel when where which "
        "white who why wide wild will wind winter with wood word work world write yellow yes you young"
    ),
    "zh": (
        "你好 谢谢 再见 早上 中午 晚上 明天 昨天 星期 今年 天气 下雨 刮风 太阳 月亮 星星 "
        "冷水 热水 牛奶 面包 米饭 苹果 香蕉 鸡蛋 老师 学生 朋友 哥哥 姐姐 弟弟 妹妹 医生 "
        "孩子 先生 学校 公司 医院 商店 车站 机场 公园 银行 书店 厨房 客厅 桌子 椅子 手机 "
        "电脑 汽车 火车 飞机 自行车 地铁 红色 黄色 蓝色 绿色 白色 黑色 快乐 高兴 漂亮 便宜 "
        "贵 多少 哪里 什么 为什么 怎么 谁 吃饭 喝茶 睡觉 起床 跑步 游泳 唱歌 跳舞 看书 "
        "写字 说话 工作 休息 旅行 回家 买东西 卖 开始 结束 帮助 知道 喜欢 认识 觉得 需要 "
        "转身 行人 冷 气球 细心 日子 而且 家里 开心 关心 春天 夏天 秋天 冬天 山水 河边 "
        "大海 树林 花草 小狗 小猫 鱼 鸟 马 牛 羊 东边 西边 南方 北方 里面 外面 "
        "前面 后面 旁边 中间"
    ),
}
"""Everyday words the demo model also learns to spell, so that it listens rather than guesses the command."""


def phrase(dialect: str, rng: Random) -> Phrase:
    """A phrase of the dialect drawn with `rng`: about half numbers, half commands.

    Raises EarmarkError `demo:dialect:unknown`.
    """
    grammar = _grammar(dialect)
    template = rng.choices(
        [text for _, text in grammar.templates], [weight for weight, _ in grammar.templates]
    )[0]
    language = grammar.language
    slots = {
        "number": number(rng.randrange(100), language),
        "hour": number(rng.randrange(1, 13), language),
        "digits": _digits(language, rng),
        **{slot: rng.choice(words) for slot, words in grammar.words.items()},
    }
    text = template.format_map(slots)
    is_open = any(slot in template for slot in _OPEN_SLOTS)
    held_out = is_open and hashlib.sha256(text.encode()).digest()[0] % _HELD_OUT_EVERY == 0
    return Phrase(text, text, held_out)


def drill(dialect: str, rng: Random) -> Phrase:
    """One to four words in no order anyone would guess: the dialect's own, number words and everyday words.

    Only for a language that has everyday words here: Raises EarmarkError `demo:dialect:unknown` for others.
    """
    grammar = _grammar(dialect)
    if grammar.language not in _DRILL_WORDS:
        raise _unknown(dialect, [name for name, g in GRAMMARS.items() if g.language in _DRILL_WORDS])
    pools = (_own_words(grammar), _number_words(grammar.language), _DRILL_WORDS[grammar.language].split())
    count = rng.randint(1, 4)
    text = _joined([rng.choice(rng.choices(pools, (3, 2, 4))[0]) for _ in range(count)], grammar.language)
    return Phrase(text, text, False)


def number(value: int, language: str) -> str:
    """0 to 99 in words: `forty two`, `四十二`."""
    tens, ones = divmod(value, 10)
    if language == "en":
        if value < 20:
            return _ONES_EN[value]
        return _TENS_EN[tens - 2] + (f" {_ONES_EN[ones]}" if ones else "")
    head = "" if tens == 0 else "十" if tens == 1 else _DIGITS_ZH[tens] + "十"
    return head + (_DIGITS_ZH[ones] if ones or not tens else "")


def characters() -> str:
    """Every character any demo speech is written with, sorted."""
    found = set("".join(_DRILL_WORDS.values()))
    for grammar in GRAMMARS.values():
        found |= set("".join(_own_words(grammar)) + "".join(_number_words(grammar.language)))
    return "".join(sorted(found))


def _grammar(dialect: str) -> Grammar:
    if dialect not in GRAMMARS:
        raise _unknown(dialect, list(GRAMMARS))
    return GRAMMARS[dialect]


def _unknown(dialect: str, choices: Sequence[str]) -> EarmarkError:
    return EarmarkError(
        "demo:dialect:unknown",
        f"There are no demo phrases of that kind in {dialect!r}.",
        f"Choose one of {', '.join(choices)}.",
    )


def _own_words(grammar: Grammar) -> list[str]:
    fixed = [piece for _, text in grammar.templates for piece in _outside_slots(text)]
    words = [word for piece in fixed for word in piece.split()]
    return sorted({*words, *(word for choices in grammar.words.values() for word in choices)})


def _outside_slots(template: str) -> list[str]:
    return [piece.split("}")[-1] for piece in template.split("{")]


def _number_words(language: str) -> list[str]:
    return [*_ONES_EN, *_TENS_EN] if language == "en" else [*_DIGITS_ZH, "十"]


def _digits(language: str, rng: Random) -> str:
    drawn = [rng.randrange(10) for _ in range(rng.randint(2, 4))]
    return _joined([_number_words(language)[digit] for digit in drawn], language)


def _joined(words: Sequence[str], language: str) -> str:
    return (" " if language == "en" else "").join(words)
