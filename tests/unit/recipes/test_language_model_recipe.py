"""What the packaged language model is trained on, and what it is."""

from pathlib import Path

import pytest

import gigaam.ngrams
from recipes.language_model.prepare import Guard

HELD_OUT = ["добрый день мария", "спасибо", "он вышел из дома и пошел по дороге"]


@pytest.mark.parametrize(
    ("sentence", "barred"),
    [
        ("Спасибо.", True),
        ("Спасибо, Мария!", False),
        ("И сказала: «Добрый день, Мария».", True),
        ("Добрый день, Анна Мария.", False),
        ("Тогда он вышел из дома и остановился.", True),
        ("Он вышел из комнаты и пошёл по дороге.", False),
        ("Тогда он вышел из дома: пошёл по дороге.", False),
        ("", False),
    ],
)
def test_sentences_that_repeat_held_out_texts_are_barred(sentence: str, barred: bool) -> None:
    assert Guard(HELD_OUT).bars(sentence) == barred


def test_the_packaged_model_is_what_its_recipe_says() -> None:
    model = gigaam.ngrams.load("packaged")
    assert (model.order, model.unit) == (3, "word")
    assert model.card["texts"] == ["everyday.txt", "literature.txt"]
    assert model.perplexity(["он вышел из дома"]).value < 2000
    (path,) = Path(gigaam.__file__).parent.glob("assets/*.lm")
    assert path.stat().st_size <= 10_000_000
