"""SVG pictures as text: a card of its own, so that they fit into light and into dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

ROOT = Path(__file__).parents[1]

INK, MUTED, LINE, CARD = "#1f2937", "#5b6675", "#c3ccd8", "#fbfcfe"


@dataclass(frozen=True)
class Hue:
    """A colour and its tint, for outlines and for areas."""

    strong: str
    tint: str


BLUE = Hue("#2563c9", "#e4edfb")
TEAL = Hue("#0b857c", "#dcf3f0")
VIOLET = Hue("#6d45c4", "#eee8fb")
ORANGE = Hue("#c05a0a", "#fdecdc")
GREY = Hue("#64748b", "#eef1f5")

_SANS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def number(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


class Picture:
    """A picture that is drawn from back to front; coordinates are pixels from the top left.

    Args:
        width: Of the card.
        height: Of the card.
        title: Says what the picture shows, to those who do not see it.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size, self._title = (width, height), title
        self._parts: list[str] = []
        self.box(0.5, 0.5, width - 1, height - 1, CARD, LINE, radius=12)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 16,
        *,
        anchor: str = "middle",
        colour: str = INK,
        bold: bool = False,
        mono: bool = False,
    ) -> None:
        """A line of text on the base line y."""
        weight = ' font-weight="600"' if bold else ""
        family = ' class="mono"' if mono else ""
        self._parts.append(
            f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{colour}" '
            f'text-anchor="{anchor}"{weight}{family}>{escape(words)}</text>'
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        stroke: str = "none",
        *,
        radius: float = 6,
    ) -> None:
        """A rectangle with round corners."""
        self._parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" '
            f'height="{number(height)}" rx="{number(radius)}" fill="{fill}" stroke="{stroke}"/>'
        )

    def path(
        self,
        commands: str,
        stroke: str = "none",
        *,
        fill: str = "none",
        width: float = 1.5,
        dashed: bool = False,
        crisp: bool = False,
        round_ends: bool = False,
    ) -> None:
        """A path of SVG commands."""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        edges = ' shape-rendering="crispEdges"' if crisp else ""
        ends = ' stroke-linecap="round"' if round_ends else ""
        lines = f' stroke-width="{number(width)}" stroke-linejoin="round"{ends}'
        self._parts.append(
            f'<path d="{commands}" fill="{fill}" stroke="{stroke}"'
            f"{lines if stroke != 'none' else ''}{dashes}{edges}/>"
        )

    def arrow(self, *points: tuple[float, float], colour: str = MUTED) -> None:
        """A line through the points, with a head at the last; its parts are level or upright."""
        (x0, y0), (x1, y1) = points[-2:]
        length = max(abs(x1 - x0), abs(y1 - y0))
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        line = [*points[:-1], (x1 - 7 * dx, y1 - 7 * dy)]
        self.path(polyline(line), colour, width=1.8)
        foot_x, foot_y = x1 - 9 * dx, y1 - 9 * dy
        corners = [(x1, y1), (foot_x - 5 * dy, foot_y + 5 * dx), (foot_x + 5 * dy, foot_y - 5 * dx)]
        self.path(f"{polyline(corners)}z", fill=colour)

    def svg(self) -> str:
        """The file's text."""
        width, height = self._size
        title = quoteattr(self._title)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" role="img" aria-label={title}>',
                f"<style>text {{ font-family: {_SANS} }} .mono {{ font-family: {_MONO} }}</style>",
                *self._parts,
                "</svg>\n",
            ]
        )


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """The commands of a line through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def save(path: Path, content: str) -> None:
    """Writes a file of the repository and says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    print(path.relative_to(ROOT))
