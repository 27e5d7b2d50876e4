"""Small SentencePiece models, trained on a few lines in a moment."""

import io
from functools import cache

LINES = [
    "Ничьих, не требуя похвал, счастлив уж я надеждой сладкой,",
    "что дева с трепетом любви посмотрит, может быть, украдкой",
    "на песни грешные мои. У лукоморья дуб зелёный.",
]


@cache
def sentencepiece_model(model_type: str = "bpe", **options: object) -> bytes:
    """The content of a ``.model`` file; it has a bare ``▁``, ``<unk>``, ``<s>`` and ``</s>``."""
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 3),
        model_writer=model,
        model_type=model_type,
        num_threads=1,
        minloglevel=2,
        **{"vocab_size": 70, **options},
    )
    return model.getvalue()
