"""The keys of the review desk and of its transcribing: one table for the page, its help and docs/desk.md."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REVIEW, TRANSCRIBE = "review", "transcribe"
BOTH = (REVIEW, TRANSCRIBE)


@dataclass(frozen=True)
class Key:
    """One action: `presses` are KeyboardEvent.key values, `caps` what stands on the keys.

    `typing`: presses that work while somebody types, too, each with Ctrl (or ⌘).
    """

    action: str
    group: str
    presses: Sequence[str]
    caps: Sequence[str | Promise]
    does: Promise
    typing: Sequence[str] = ()
    modes: Sequence[str] = BOTH
    is_silent: bool = False
    """Whether it is left out of the legend and told in the help alone."""


GROUPS = {"listen": _("Listen"), "text": _("Text"), "decide": _("Decide"), "show": _("Show")}
KEYS = (
    Key("toggle", "listen", (" ",), (_("Space"),), _("play and pause"), ("p",)),
    Key("back", "listen", ("b",), ("B",), _("the last 2 s again"), ("b",)),
    Key("word-back", "listen", ("ArrowLeft",), ("←",), _("word before")),
    Key("word-on", "listen", ("ArrowRight",), ("→",), _("word after")),
    Key("loop", "listen", ("l", "L"), ("L",), _("loop the word")),
    Key("slower", "listen", ("-", "_"), ("−",), _("slower")),
    Key("faster", "listen", ("+", "="), ("+",), _("faster")),
    Key("candidate", "text", tuple("123456789"), ("1", "…", "9"), _("take an answer"), modes=(REVIEW,)),
    Key("heard", "text", ("0",), ("0",), _("take what was heard")),
    Key(
        "theirs",
        "text",
        ("t", "T"),
        ("T",),
        _("take what somebody else decided"),
        modes=(REVIEW,),
        is_silent=True,
    ),
    Key("edit", "text", ("e", "E", "Enter"), ("E",), _("write; Esc ends it")),
    Key("accept", "decide", ("a", "A"), ("A",), _("accept this text"), ("Enter",), (REVIEW,)),
    Key("accept", "decide", ("a", "A"), ("A",), _("submit"), ("Enter",), (TRANSCRIBE,)),
    Key("unintelligible", "decide", ("u", "U"), ("U",), _("unintelligible")),
    Key("return", "decide", ("r", "R"), ("R",), _("return it, with a reason"), modes=(REVIEW,)),
    Key(
        "quality",
        "decide",
        tuple("123456"),
        ("1", "…", "6"),
        _("tick how it sounds"),
        modes=(TRANSCRIBE,),
    ),
    Key("skip", "decide", ("s", "S"), ("S",), _("skip: I cannot tell"), modes=(TRANSCRIBE,)),
    Key("next", "decide", ("j", "J"), ("J",), _("next, decide later")),
    Key("previous", "decide", ("k", "K"), ("K",), _("the one before")),
    Key("doubt", "show", ("c", "C"), ("C",), _("colour doubtful words")),
    Key("names", "show", ("n", "N"), ("N",), _("who wrote it"), modes=(REVIEW,)),
    Key("help", "show", ("?",), ("?",), _("all keys")),
)


def keys_of(mode: str) -> list[Key]:
    """The keys that do something in `mode`."""
    return [key for key in KEYS if mode in key.modes]


def grouped(mode: str) -> list[tuple[Promise, list[Key]]]:
    """The same by group, in the order of GROUPS."""
    keys = keys_of(mode)
    return [(name, [key for key in keys if key.group == group]) for group, name in GROUPS.items()]


def pressed(mode: str) -> dict[str, dict[str, str]]:
    """What the page's script looks up: the action of a press, and of a press with Ctrl while somebody types."""
    keys = keys_of(mode)
    return {
        "plain": {press: key.action for key in keys for press in key.presses},
        "typing": {press: key.action for key in keys for press in key.typing},
    }
