"""Properties of the one text normalisation."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.dataset.text import RUSSIAN_CHARACTERS, is_russian, normalize_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ничего, - сказал  ОН.", "ничего сказал он"),
        ("Ёлка — всё ещё\tзелёная!", "елка все еще зеленая"),
        ("кто-то", "кто то"),
        ("«Эхо-тест» завершён…", "эхо тест завершен"),
        ("об’єкт об`єкт obʼekt", "об'єкт об'єкт ob'ekt"),
        ("за\u0301мок и\u0306од е\u0308ж \u0435\u0300", "замок йод еж е"),
        ("со\u00adлнце\ufeff", "солнце"),
        ("нажмите 1", "нажмите 1"),
        ("", ""),
        (" -- ", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert normalize_text(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize_text(text)
    assert normalize_text(once) == once


@given(st.text(alphabet=st.sampled_from("аёЁяЙ-—…'’`«»,.!?+ \n\t\u0301\u00ad\u0306xX7")))
def test_only_spaces_separate_words(text: str) -> None:
    normalized = normalize_text(text)
    assert normalized == normalized.strip()
    assert "  " not in normalized
    assert not any(unicodedata.category(c).startswith("P") for c in normalized if c not in "'")
    assert normalized == normalized.lower()


@given(st.text(alphabet=RUSSIAN_CHARACTERS + RUSSIAN_CHARACTERS.upper() + "ёЁ.,-!"))
def test_russian_text_stays_russian(text: str) -> None:
    normalized = normalize_text(text)
    assert is_russian(normalized) == bool(normalized)


@pytest.mark.parametrize("text", ["", "первoe", "нажмите 1", "д'артаньян", "ёж", "А", "i"])
def test_not_russian(text: str) -> None:
    assert not is_russian(text)


def test_alphabet_has_33_distinct_characters() -> None:
    assert len(set(RUSSIAN_CHARACTERS)) == len(RUSSIAN_CHARACTERS) == 33
