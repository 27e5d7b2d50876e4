from pathlib import Path

import pytest

from gigaam.decoding.hotwords import Phrase, read_hotwords
from gigaam.errors import ArgumentError


def listed(source) -> list[tuple[str, float]]:
    return [(phrase.text, phrase.weight) for phrase in read_hotwords(source)]


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "names.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_list():
    assert listed(["Ватутин", "  полис \t каско", "", " "]) == [("Ватутин", 1), ("полис каско", 1)]
    assert listed(word for word in ("а", "б")) == [("а", 1), ("б", 1)]
    assert listed([]) == []


def test_a_mapping():
    assert listed({"Ватутин": 2, "каско": 0.5}) == [("Ватутин", 2), ("каско", 0.5)]


def test_phrases_stay_what_they_are():
    phrases = read_hotwords({"Ватутин": 2, "каско": 0.5})
    assert read_hotwords(phrases) == phrases


def test_of_duplicates_the_greatest_weight():
    phrases = [Phrase("каско", 2), Phrase("Ватутин"), Phrase("каско", 3), Phrase(" каско ")]
    assert listed(phrases) == [("каско", 3), ("Ватутин", 1)]


def test_a_file(tmp_path):
    text = "\ufeff# клиенты\nВатутин\r\n\nполис каско :2.5  # страховка\n1С:Бухгалтерия\n"
    text += "C# разработчик:3\n10:30:1\n   # всё\nвстреча: Ватутин"
    expected = [
        ("Ватутин", 1),
        ("полис каско", 2.5),
        ("1С:Бухгалтерия", 1),
        ("C# разработчик", 3),
        ("10:30", 1),
        ("встреча: Ватутин", 1),
    ]
    path = written(tmp_path, text)
    assert listed(path) == listed(str(path)) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("каско:0", "above 0, at most 100, not 0.0"),
        ("каско:-1", "not -1.0"),
        ("каско:nan", "not nan"),
        ("каско:1e3", "not 1000.0"),
        ("каско:inf", "not inf"),
        ("каско:1,5", "a weight such as 2.5, not '1,5'"),
        ("каско:", "a weight such as 2.5, not ''"),
        (":2", "a letter at least"),
        ("а" * 201, "at most 200 characters, not 201"),
        ("а" * 1001, "1,001 characters"),
        ("ка\0ско", "binary data"),
        ("каско".encode("cp1251"), "not UTF-8"),
        ("каско".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, problem):
    line = line if isinstance(line, bytes) else line.encode()
    path = written(tmp_path, "Ватутин\n# ещё\n".encode() + line + b"\n")
    with pytest.raises(ArgumentError) as caught:
        read_hotwords(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 600


def test_too_many(tmp_path):
    lines = [f"слово{number}" for number in range(100_001)]
    with pytest.raises(ArgumentError, match=r"names.txt: more than 100,000 phrases"):
        read_hotwords(written(tmp_path, "\n".join(lines)))
    with pytest.raises(ArgumentError, match="the hotwords: more than 100,000"):
        read_hotwords(lines)
    assert len(read_hotwords(lines[1:])) == 100_000


def test_an_endless_list_ends():
    with pytest.raises(ArgumentError, match="more than"):
        read_hotwords(iter(lambda: "каско", None))


def test_too_large(tmp_path):
    path = written(tmp_path, b"")
    with path.open("r+b") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(ArgumentError, match=r"names.txt is too large"):
        read_hotwords(path)


def test_a_phrase_is_no_list():
    with pytest.raises(ArgumentError, match=r"no file 'Ватутин' .*hotwords=\['Ватутин'\]"):
        read_hotwords("Ватутин")
    for strange in ("", "\0", "а" * 5000):
        with pytest.raises(ArgumentError, match="no file"):
            read_hotwords(strange)


def test_no_such_file(tmp_path):
    with pytest.raises(ArgumentError, match=r"no file of hotwords at .*names.txt"):
        read_hotwords(tmp_path / "names.txt")


def test_no_regular_file(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_hotwords(tmp_path)
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_hotwords("/dev/null")


@pytest.mark.parametrize("source", [None, 5, b"names.txt", [5], [None], [b"a"], {5: 1}])
def test_what_is_no_list(source):
    with pytest.raises(ArgumentError, match="must be a"):
        read_hotwords(source)


@pytest.mark.parametrize("weight", [0, -1, 101, float("nan"), float("inf"), "2", None, True])
def test_bad_weights(weight):
    with pytest.raises(ArgumentError, match=r"the weight of a hotword .*каско"):
        read_hotwords({"каско": weight})
