"""A small ARPA model of three words, with a 3-gram, and without ``<unk>`` if that is wanted."""

import re
from pathlib import Path

ARPA = """
\\data\\
ngram 1=7
ngram 2=5
ngram 3=2

\\1-grams:
-99 <s> -0.3
-1.0 </s>
-0.9 мир -0.2
-0.8 мира -0.1
-1.1 мы -0.25
-1.5 кот -0.05
-1.7 <unk>

\\2-grams:
-0.4 <s> мир -0.15
-0.5 мир кот -0.12
-0.6 кот </s>
-0.35 мы мира -0.2
-0.9 мир мы

\\3-grams:
-0.2 <s> мир кот
-0.3 мир кот </s>

\\end\\
"""


_FIELDS = re.compile(r"(?m)^(-[\d.]+) (.*?)(?: (-[\d.]+))?$")


def tabbed(text: str) -> str:
    """The text with tabs around its n-grams."""
    return _FIELDS.sub(lambda m: "\t".join(part for part in m.groups() if part), text.lstrip())


def write_arpa(path: Path, unknown: bool = True) -> Path:
    """Writes the model; `unknown` says whether it has ``<unk>``."""
    text = ARPA if unknown else ARPA.replace("-1.7 <unk>\n", "").replace("1=7", "1=6")
    path.write_text(tabbed(text), encoding="utf-8")
    return path
