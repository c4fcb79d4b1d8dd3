"""Typographic repair that keeps every offset: one character in, one character out."""

from __future__ import annotations

import re

_SAME_LENGTH = str.maketrans(
    {
        "＜": "<",
        "＞": ">",
        "≤": "≤",
        "≦": "≤",
        "⩽": "≤",
        "≧": "≥",
        "⩾": "≥",
        "＝": "=",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "−": "-",
        "－": "-",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u3000": " ",
        "\ufeff": " ",
        "\u200b": " ",
        "（": "(",
        "）": ")",
        "，": ",",
        "；": ";",
        "：": ":",
        "。": ".",
        "、": ",",
        "％": "%",
        "／": "/",
        "＋": "+",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "μ": "µ",
        "✕": "×",
        "∙": "·",
        "\t": " ",
        "\r": " ",
    }
)
# Markdown escapes: the backslash becomes a space, so that "\>10" keeps its length.
_ESCAPE = re.compile(r"\\(?=[<>*_\[\]()#+\-.!~^&=|{}`\\])")
# HTML's names of signs that were never turned back; the sign goes last, so that "&lt;=" stays one comparator.
_ENTITY = re.compile(r"&(lt|gt|le|ge|amp|nbsp);")
_ENTITIES = {"lt": "<", "gt": ">", "le": "≤", "ge": "≥", "amp": "&", "nbsp": " "}


def normalise(text: str) -> str:
    """`text` with full-width and typographic signs made plain; same length, so spans need no map."""
    text = _ENTITY.sub(lambda found: _ENTITIES[found[1]].rjust(len(found[0])), text)
    return _ESCAPE.sub(" ", text.translate(_SAME_LENGTH))
