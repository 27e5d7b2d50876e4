"""Damage to the bytes of a file of any format."""

import struct
from collections.abc import Callable
from random import Random

_HEADER_BYTES = 512
_INTERESTING = (0, 1, 2, 3, 7, 8, 16, 255, 256, 1000, 32767, 65535, 10**6, 10**8, 2**31 - 1)

Mutation = Callable[[bytearray, Random], str]


def mutated(content: bytes, rng: Random, most: int = 4) -> tuple[bytes, str]:
    """The bytes with up to ``most`` kinds of damage, and what was done to them."""
    damaged = bytearray(content)
    done = [rng.choice(MUTATIONS)(damaged, rng) for _ in range(rng.randint(1, most))]
    return bytes(damaged), ", ".join(done)


def _position(content: bytearray, rng: Random) -> int:
    """Half the time in the header."""
    end = min(_HEADER_BYTES, len(content)) if rng.random() < 0.5 else len(content)
    return rng.randrange(max(1, end))


def _flip(content: bytearray, rng: Random) -> str:
    number = rng.choice((1, 1, 2, 8, 64))
    for _ in range(number):
        if content:
            content[_position(content, rng) % len(content)] ^= 1 << rng.randrange(8)
    return f"{number} bits flipped"


def _truncate(content: bytearray, rng: Random) -> str:
    at = _position(content, rng)
    del content[at:]
    return f"cut at {at}"


def _behead(content: bytearray, rng: Random) -> str:
    number = _position(content, rng)
    del content[:number]
    return f"{number} bytes less at the front"


def _insert(content: bytearray, rng: Random) -> str:
    at, number = _position(content, rng), rng.choice((1, 3, 16, 1000))
    content[at:at] = rng.randbytes(number)
    return f"{number} bytes inserted at {at}"


def _remove(content: bytearray, rng: Random) -> str:
    at, number = _position(content, rng), rng.choice((1, 2, 4, 64, 4096))
    del content[at : at + number]
    return f"{number} bytes removed at {at}"


def _set_field(content: bytearray, rng: Random) -> str:
    """A number of a header, in either order of bytes, aligned or not."""
    at = _position(content, rng) & rng.choice((~3, ~1, ~0))
    form = rng.choice("BHIQhiq") if rng.random() < 0.7 else rng.choice("fd")
    order = rng.choice("<>")
    if form in "fd":
        value: float = rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    else:
        bits = 8 * struct.calcsize(form)
        value = rng.choice((*_INTERESTING, -1, rng.getrandbits(bits))) & ((1 << bits) - 1)
        form = form.upper()
    field = struct.pack(order + form, value)
    content[at : at + len(field)] = field
    return f"{order}{form} at {at} set to {value}"


def _overwrite(content: bytearray, rng: Random) -> str:
    at, number = _position(content, rng), rng.choice((4, 32, 512, 8192))
    number = min(number, len(content) - at)
    filled = rng.choice((bytes(number), b"\xff" * number, rng.randbytes(max(0, number))))
    content[at : at + number] = filled
    return f"{number} bytes overwritten at {at}"


def _repeat(content: bytearray, rng: Random) -> str:
    at, number, times = _position(content, rng), rng.choice((8, 256, 4096)), rng.randint(1, 5)
    content[at:at] = bytes(content[at : at + number]) * times
    return f"{number} bytes from {at} repeated {times} times"


def _swap(content: bytearray, rng: Random) -> str:
    a, b = sorted((_position(content, rng), _position(content, rng)))
    number = min(rng.choice((4, 188, 2048)), b - a)
    first, second = bytes(content[a : a + number]), bytes(content[b : b + number])
    content[b : b + number], content[a : a + number] = first, second
    return f"{number} bytes at {a} and {b} swapped"


def _append(content: bytearray, rng: Random) -> str:
    if rng.random() < 0.5:
        content += bytes(content)
        return "twice in one file"
    content += rng.randbytes(1000)
    return "1000 bytes appended"


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _flip,
    _set_field,
    _set_field,
    _set_field,
    _truncate,
    _behead,
    _insert,
    _remove,
    _overwrite,
    _repeat,
    _swap,
    _append,
)
