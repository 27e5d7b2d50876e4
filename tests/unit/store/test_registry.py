"""The table of models: names, what they mean, what is known of each."""

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gigaam
from gigaam.errors import GigaAMError, UnknownModelError
from gigaam.store import registry

PUBLISHED = [
    "v1_ctc",
    "v1_rnnt",
    "v1_ssl",
    "emo",
    "v2_ctc",
    "v2_rnnt",
    "v2_ssl",
    "v3_ctc",
    "v3_rnnt",
    "v3_ssl",
    "v3_e2e_ctc",
    "v3_e2e_rnnt",
    "multilingual_ctc",
    "multilingual_ssl",
    "multilingual_large_ctc",
    "multilingual_large_ssl",
]


@pytest.mark.parametrize("name", [*PUBLISHED, "tiny_ctc", "tiny_rnnt"])
def test_every_name_means_itself(name):
    assert registry.resolve(name).name == name
    assert registry.is_known(name)
    assert name in registry.names()


@pytest.mark.parametrize(
    ("short", "plain", "fine_tuned"),
    [
        ("ctc", "v2_ctc", "v3_ctc"),
        ("rnnt", "v2_rnnt", "v3_rnnt"),
        ("ssl", "v2_ssl", "v3_ssl"),
        ("e2e_ctc", "v3_e2e_ctc", "v3_e2e_ctc"),
        ("e2e_rnnt", "v3_e2e_rnnt", "v3_e2e_rnnt"),
        ("v1_emo", "emo", "emo"),
        ("emo", "emo", "emo"),
        ("v2_rnnt", "v2_rnnt", "v2_rnnt"),
    ],
)
def test_short_names_mean_v2_except_in_fine_tuned_files(short, plain, fine_tuned):
    assert registry.resolve(short).name == plain
    assert registry.fine_tuned_name(short) == fine_tuned


@pytest.mark.parametrize(
    ("short", "full"), [("ctc", "v2_ctc"), ("ssl", "v2_ssl"), ("e2e_ctc", "v3_e2e_ctc")]
)
def test_short_names_of_fine_tuned_files_follow_their_weights(short, full):
    assert registry.fine_tuned_name(short, "v2") == full


def test_aliases_are_the_other_names():
    assert registry.aliases("v2_ctc") == ("ctc",)
    assert registry.aliases("emo") == ("v1_emo",)
    assert registry.aliases("v1_ctc") == ()


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("v3_cct", "v3_ctc"), ("V2-RNNT", "v2_rnnt"), ("multilingual_larg_ctc", "multilingual_large")],
)
def test_unknown_name_suggests_the_nearest_and_lists_all(typo, meant):
    with pytest.raises(UnknownModelError, match=f"Did you mean .*{meant}") as caught:
        registry.resolve(typo)
    assert all(name in str(caught.value) for name in [*registry.names(), *registry.ALIASES])
    assert isinstance(caught.value, ValueError)
    assert not registry.is_known(typo)


@given(st.text())
def test_any_other_text_is_an_unknown_model(text):
    try:
        assert registry.resolve(text).name in registry.names()
    except GigaAMError as error:
        assert repr(text) in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_entries_are_complete(name):
    info = registry.resolve(name)
    assert info.file.path == f"{name}.ckpt"
    assert re.fullmatch("[0-9a-f]{32}", info.file.md5)
    assert info.size_bytes > 4e8
    assert not info.is_packaged
    assert info.languages[0] == "ru"
    assert len(info.languages) == (5 if info.line == "multilingual" else 1)
    # Float32 for all lines but v3, whose encoders are stored in half precision.
    assert info.size_bytes / info.parameters == pytest.approx(
        2 if info.line == "v3" else 4, rel=0.02
    )


def test_digests_are_distinct_and_well_formed():
    files = [
        file
        for info in map(registry.resolve, PUBLISHED)
        for file in (info.file, info.tokenizer)
        if file
    ]
    for digests, length in (([f.md5 for f in files], 32), ([f.sha256 for f in files], 64)):
        known = [digest for digest in digests if digest]
        assert len(set(known)) == len(known)
        assert all(re.fullmatch(f"[0-9a-f]{{{length}}}", digest) for digest in known)


def test_models_with_sentencepiece_have_a_tokenizer_file():
    with_tokenizer = [name for name in PUBLISHED if registry.resolve(name).tokenizer]
    assert with_tokenizer == ["v1_rnnt", "v3_e2e_ctc", "v3_e2e_rnnt"]


def test_parameter_counts_differ_by_the_heads():
    def count(name):
        return registry.resolve(name).parameters

    def convolution(width, classes):
        return (width + 1) * classes

    assert count("v3_ctc") - count("v3_ssl") == convolution(768, 34)
    assert count("v2_ctc") - count("v2_ssl") == convolution(768, 34)
    assert count("v1_ctc") - count("v1_ssl") == convolution(768, 34)
    assert count("v3_e2e_ctc") - count("v3_ssl") == convolution(768, 257)
    assert count("multilingual_ctc") - count("multilingual_ssl") == convolution(768, 71)
    assert count("multilingual_large_ctc") - count("multilingual_large_ssl") == convolution(
        1024, 71
    )
    assert count("emo") - count("v1_ssl") == convolution(768, 4)
    # Embedding, LSTM of four gates with two biases, two projections, output.
    lstm = 4 * 320 * (320 + 320 + 2)
    projections = convolution(320, 320) + convolution(768, 320)
    for name, ssl, classes in (
        *(("v1_rnnt", "v1_ssl", 513), ("v2_rnnt", "v2_ssl", 34)),
        *(("v3_rnnt", "v3_ssl", 34), ("v3_e2e_rnnt", "v3_ssl", 1025)),
    ):
        head = 320 * classes + lstm + projections + convolution(320, classes)
        assert count(name) - count(ssl) == head


def test_packaged_model_is_a_directory_of_the_installation(tmp_path):
    info = registry.resolve("tiny_ctc")
    assert info.is_packaged
    assert info.directory.name == "tiny_ctc"
    assert info.directory.parent.name == "assets"
    (tmp_path / "weights").write_bytes(b"x" * 7)
    local = registry.ModelInfo(name="a", line="packaged", task="ctc", directory=tmp_path)
    assert local.size_bytes == 7


def test_a_model_is_published_or_packaged(tmp_path):
    with pytest.raises(ValueError, match="either a file or a directory"):
        registry.ModelInfo(name="a", line="v3", task="ctc")


def test_types_know_every_model_and_what_it_is() -> None:
    known = {
        task: {
            name
            for name in (*registry.MODELS, *registry.ALIASES)
            if registry.resolve(name).task in tasks
        }
        for task, tasks in {
            registry.RecogniserName: ("ctc", "rnnt"),
            registry.EncoderName: ("ssl",),
            registry.EmotionName: ("emo",),
        }.items()
    }
    for literal, names in known.items():
        assert set(get_args(literal)) == names
        assert len(get_args(literal)) == len(names)


def test_available_models_are_named_and_described() -> None:
    models = gigaam.available_models()
    assert list(models) == list(registry.names())
    assert models["v3_rnnt"].task == "rnnt"
    assert models["v2_rnnt"].short_names == ("rnnt",)
    assert models["tiny_ctc"].is_packaged
    models.clear()
    assert gigaam.available_models()
