# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The commands that pages of the documentation tell a reader to type."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[4]
FOLDERS = (
    "",
    "charms/*/",
    "charms/*/terraform/",
    "docs/**/",
    "examples/*/",
    "terraform/**/",
    "tests/**/",
)
LANGUAGES = ("console", "shell", "bash", "sh")
PROGRAMS = ("istioctl", "juju", "kubectl", "make", "terraform", "tofu")
ANY = "…"
"""Stands for a placeholder: what a reader fills in, or a shell would."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```", re.M | re.S)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_PLACEHOLDER = re.compile(r"(?<!<)<[A-Za-z…][^<>\n]*>")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_REMEDY = re.compile(r"(?:^|^\$ |: )(juju (?:config|integrate|run) [^;(\n]*)", re.M)
"""A command that a block of text shows: as typed, or as the remedy of a message."""
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_KEYWORDS = {"do", "done", "then", "fi", "else", "if", "while", "until", "!", "{", "}", "time"}
_WRAPPERS = (("sudo", "k8s"), ("sudo", "microk8s"), ("microk8s",), ("k8s",), ("sudo",), ("watch",))


@dataclass(frozen=True)
class Command:
    """A command of a page."""

    words: tuple[str, ...]
    """The program and its arguments, without quotes; placeholders are ``ANY``."""
    line: int
    is_whole: bool = True
    """Whether it is to be typed as it is. In a sentence, a command may be a beginning."""

    @property
    def program(self) -> str:
        """The first word."""
        return self.words[0]


def pages() -> list[Path]:
    """Return the Markdown files of the project."""
    found = {page for folder in FOLDERS for page in ROOT.glob(f"{folder}*.md")}
    return sorted(page for page in found if "build" not in page.parts)


def commands(text: str) -> list[Command]:
    """Return the commands in a page's text, in the order of the page."""
    found = [*_fenced(text), *_inline(text)]
    return sorted(found, key=lambda command: command.line)


def _fenced(text: str) -> Iterator[Command]:
    for fence in _FENCE.finditer(text):
        first = text.count("\n", 0, fence.start("body")) + 1
        if fence["language"] in LANGUAGES:
            for line, typed in _typed_lines(fence["body"]):
                yield from _parsed(typed, first + line, is_whole=True)
        elif fence["language"] == "text":
            for remedy in _REMEDY.finditer(fence["body"]):
                line = fence["body"].count("\n", 0, remedy.start(1))
                yield from _parsed(remedy[1], first + line, is_whole=False)


def _inline(text: str) -> Iterator[Command]:
    # Fences become empty lines, so that the lines keep their numbers.
    prose = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)
    for code in _INLINE.finditer(prose):
        first = code[1].split(maxsplit=1)[:1]
        if first and first[0] in PROGRAMS and "\n\n" not in code[1]:
            line = prose.count("\n", 0, code.start()) + 1
            yield from _parsed(" ".join(code[1].split()), line, is_whole=False)


def _typed_lines(body: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block with their numbers, without heredocs; continued lines as one."""
    lines = iter(enumerate(body.splitlines()))
    for number, line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + next(lines, (0, ""))[1]
        while _open_quote(whole) and (more := next(lines, None)):
            whole = f"{whole}\n{more[1]}"
        yield number, whole
        for end in _HEREDOC.findall(_without_comment(whole)):
            while next(lines, (0, end))[1].strip() != end:
                pass


def _without_comment(line: str) -> str:
    quote = ""
    for position, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (position == 0 or line[position - 1].isspace()):
            return line[:position]
    return line


def _open_quote(line: str) -> bool:
    try:
        shlex.split(_without_comment(line))
    except ValueError:
        return True
    return False


def _parsed(line: str, number: int, *, is_whole: bool) -> Iterator[Command]:
    text = _PLACEHOLDER.sub(ANY, _without_comment(line))
    text = (
        _HEREDOC.sub("", text).replace("$ ", "", 1)
        if text.startswith("$ ")
        else _HEREDOC.sub("", text)
    )
    for inner in _SUBSTITUTION.findall(text):
        yield from _parsed(inner, number, is_whole=is_whole)
    text = _SUBSTITUTION.sub(ANY, text)
    for words in _split(text):
        if words := _program_first(words):
            yield Command(tuple(words), number, is_whole)


def _split(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    skip = False
    for word in lexer:
        if set(word) <= set("<>"):
            skip = True
        elif set(word) <= set("();|&"):
            yield words
            words = []
        elif skip:
            skip = False
        else:
            words.append(word)
    yield words


def _program_first(words: list[str]) -> list[str]:
    """Return a command without keywords of the shell, assignments and programs that wrap it."""
    while words and (words[0] in _KEYWORDS or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    for wrapper in _WRAPPERS:
        after = words[len(wrapper) : len(wrapper) + 1]
        if tuple(words[: len(wrapper)]) == wrapper and after and after[0] in PROGRAMS:
            return words[len(wrapper) :]
    return words
