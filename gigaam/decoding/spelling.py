"""Phrases as a model would write them: in the letters, case and pieces of its vocabulary."""

from __future__ import annotations

import unicodedata

from gigaam.decoding.tokenizer import SentencePieceTokenizer, Tokenizer, is_mark
from gigaam.errors import ModelError

__all__ = ["Speller"]


class Speller:
    """The tokens of phrases, each as it stands inside of a text.

    Args:
        tokenizer: Of characters or of SentencePiece pieces.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        pieces = tokenizer.pieces
        self.words_begin_with_pieces = any(map(tokenizer.starts_word, range(len(tokenizer))))
        self._unknown = (
            tokenizer.model.unk_id() if isinstance(tokenizer, SentencePieceTokenizer) else None
        )
        written = [piece for piece in pieces if not is_mark(piece)]
        alphabet = {" ", *"".join(written)}
        self._respelling = _Respelling(alphabet)
        self._has_capitals = any(c.isupper() and c.lower() in alphabet for c in alphabet)

    def spell(self, phrase: str) -> list[tuple[int, ...]]:
        """The ways to write a phrase, as tokens.

        With the letter ё, and without it; in a vocabulary with capitals also in lower case, with
        the first letter capital, and with that of each word.

        Args:
            phrase: Words, separated by single spaces.

        Returns:
            Distinct ones; none if the vocabulary lacks some character.
        """
        texts = (text.translate(self._respelling) for text in self._variants(phrase))
        ways = (
            self._tokens(" ".join(text.split())) for text in dict.fromkeys(texts) if text.strip()
        )
        return list(dict.fromkeys(way for way in ways if way))

    def _variants(self, phrase: str) -> list[str]:
        phrase = unicodedata.normalize("NFC", phrase)
        variants = [phrase]
        if self._has_capitals:
            words = [word[:1].upper() + word[1:] for word in phrase.split(" ")]
            variants += [phrase.lower(), phrase[:1].upper() + phrase[1:], " ".join(words)]
        return variants + [text.replace("ё", "е").replace("Ё", "Е") for text in variants]

    def _tokens(self, text: str) -> tuple[int, ...] | None:
        """The canonical tokens of a text after a space; None if a character is missing."""
        try:
            tokens = self._tokenizer.encode(text)
            if not self._begins_word(tokens):
                # No mark stands at the beginning of this model's texts: see how one goes on.
                tokens = self._tokenizer.encode(f"{text} {text}")[len(tokens) :]
        except ModelError:
            return None
        if not self._begins_word(tokens) or self._unknown in tokens:
            return None
        return tuple(tokens)

    def _begins_word(self, tokens: list[int]) -> bool:
        if not self.words_begin_with_pieces:
            return bool(tokens)
        return bool(tokens) and self._tokenizer.starts_word(tokens[0])


class _Respelling(dict[int, str]):
    """Characters as a vocabulary has them, for `str.translate`; those it lacks stay as they are.

    Where it has neither the letter nor its small form, texts are as transcriptions for training
    are: without punctuation, dashes a space, ё is е.
    """

    def __init__(self, alphabet: set[str]) -> None:
        super().__init__()
        self._alphabet = alphabet

    def __missing__(self, code: int) -> str:
        # In here, because that room stands above this one; it is the one place that knows.
        from gigaam.dataset.text import normalize_text

        character = chr(code)
        trained = normalize_text(f"а{character}а")[1:-1]
        candidates = (character, character.lower(), trained)
        fits = (text for text in candidates if self._alphabet.issuperset(text))
        return self.setdefault(code, next(fits, character))
