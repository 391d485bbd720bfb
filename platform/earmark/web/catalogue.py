"""The translations of the whole project, kept in step with the code without GNU gettext.

`manage.py translations` writes every message of the code into `django.po`, keeps what is translated, and compiles
`django.mo`. A test holds both in step with the code and the Chinese complete.
"""

import ast
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation.template import templatize

PLURALS = {"ngettext": 2, "ngettext_lazy": 2}
CALLS = {"_": 1, "_t": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, **PLURALS}
HEADER = (
    "Project-Id-Version: Earmark\nLanguage: zh_Hans\nMIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
    "Plural-Forms: nplurals=1; plural=0;\n"
)
_TEMPLATE_CALL = re.compile(r"""\b(ngettext|gettext|_)\((?=u?['"])""")


@dataclass(frozen=True, order=True)
class Message:
    """What the code says: a text, and its plural where it counts something."""

    text: str
    plural: str = ""


def messages_of(root: Path) -> set[Message]:
    """Every message of the Python files and templates below `root`."""
    found: set[Message] = set()
    for path in sorted(root.rglob("*.py")):
        found.update(_in_python(ast.parse(path.read_text(encoding="utf-8"))))
    for path in sorted(root.rglob("templates/**/*.*")):
        if path.suffix in (".html", ".txt"):
            found.update(in_template(path.read_text(encoding="utf-8")))
    return found


def in_template(source: str) -> Iterator[Message]:
    """The messages of one template, read by Django's own reading of it."""
    told = templatize(source)
    for call in _TEMPLATE_CALL.finditer(told):
        end = _closing(told, call.end())
        yield from _in_python(ast.parse(f"{call.group(1)}({_arguments(told[call.end() : end])})"))


def _in_python(tree: ast.AST) -> Iterator[Message]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            texts = [_text(argument) for argument in node.args[: CALLS[node.func.id]]]
            if texts and all(texts):
                yield Message(*[text for text in texts if text])


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that was opened before `start` closes."""
    depth, quote, at = 1, "", start
    while depth and at < len(text):
        character = text[at]
        if quote:
            at += character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character == "(") - (character == ")")
        at += 1
    return at - 1


def _arguments(told: str) -> str:
    """The arguments of a call that `templatize` wrote; what it counts by is not Python, and not needed."""
    return re.sub(r",\s*count\s*$", "", told)


def read_po(text: str) -> dict[Message, str]:
    """What a `.po` file says, without its header."""
    found: dict[Message, str] = {}
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if match := re.match(r'(msgid|msgid_plural|msgstr|msgstr\[0\])\s+(".*")$', line):
                name = match.group(1)
                fields[name] = ast.literal_eval(match.group(2))
            elif line.startswith('"') and name:
                fields[name] += ast.literal_eval(line)
        if fields.get("msgid"):
            translated = fields.get("msgstr", fields.get("msgstr[0]", ""))
            found[Message(fields["msgid"], fields.get("msgid_plural", ""))] = translated
    return found


def write_po(messages: Iterable[Message], known: dict[Message, str]) -> str:
    """A `.po` file of `messages`, in their order, with what is `known` of them."""
    blocks = ['msgid ""\nmsgstr ""\n' + "\n".join(_quoted(f"{line}\n") for line in HEADER.splitlines())]
    for message in sorted(messages):
        lines = ["#, python-format"] if re.search(r"%\(\w+\)|%%", message.text) else []
        lines.append(f"msgid {_quoted(message.text)}")
        if message.plural:
            lines.append(f"msgid_plural {_quoted(message.plural)}")
        lines.append(f"msgstr{'[0]' if message.plural else ''} {_quoted(known.get(message, ''))}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def compile_mo(known: dict[Message, str]) -> bytes:
    """The `.mo` file of what is translated: GNU's format, little-endian, sorted, without a hash table."""
    pairs = [(b"", HEADER.encode())]
    for message in sorted(known):
        if known[message]:
            key = f"{message.text}\0{message.plural}" if message.plural else message.text
            pairs.append((key.encode(), known[message].encode()))
    pairs.sort()
    head = 28 + 16 * len(pairs)
    texts = [text for column in zip(*pairs, strict=True) for text in column]
    index, data = b"", b""
    for text in texts:
        index += struct.pack("<II", len(text), head + len(data))
        data += text + b"\0"
    magic = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, head)
    return magic + index + data
