"""A small real text model: words follow words as often as they did in the texts it was trained on."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
WORD = re.compile(r"[\w'-]+|[.,;:?!]")
STOP = re.compile(r"[.,;:?!]")


def read_corpus() -> dict[str, str]:
    """The texts by name."""
    return {path.stem: path.read_text("utf-8") for path in sorted(CORPUS.glob("*.txt"))}


class Ngram:
    """Predicts a word from up to `order` - 1 words before it, from fewer where those were never seen together."""

    def __init__(self, texts: Iterable[str], *, order: int = 3) -> None:
        self.order = order
        self._after: dict[tuple[str, ...], Counter[str]] = {}
        for text in texts:
            self._learn(WORD.findall(text))

    def _learn(self, words: list[str]) -> None:
        for at, word in enumerate(words):
            for size in range(min(self.order, at + 1)):
                self._after.setdefault(tuple(words[at - size : at]), Counter())[word] += 1

    def next_word(self, before: list[str], chance: random.Random) -> str:
        """A word that may follow."""
        for size in range(self.order - 1, -1, -1):
            counts = self._after.get(tuple(before[len(before) - size :])) if size <= len(before) else None
            if counts:
                return chance.choices(list(counts), weights=list(counts.values()))[0]
        raise ValueError("the model was trained on nothing")

    def continue_text(self, prompt: str, *, words: int, seed: int) -> Iterator[str]:
        """The continuation, word by word, with the space that belongs before each. Equal for equal arguments."""
        chance = random.Random(f"{seed}:{prompt}")
        before = WORD.findall(prompt)
        for number in range(words):
            word = self.next_word(before, chance)
            before.append(word)
            is_joined = STOP.fullmatch(word) is not None or (number == 0 and not prompt)
            yield word if is_joined else f" {word}"
