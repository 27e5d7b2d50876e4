"""How many examples a property test tries: more in the profile that looks further."""

from hypothesis import settings

_USUAL = 100


def examples(count: int) -> int:
    """That many examples, multiplied by what the loaded profile has over the usual number."""
    return count * settings.default.max_examples // _USUAL
