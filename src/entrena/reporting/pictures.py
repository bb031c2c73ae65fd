"""Pictures on a page: each as a text that stands in the page itself, and side by side in one figure."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from entrena.reporting.figures import escaped, new_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LEAST_SIDE = 64  # pixels: a browser would blur the pixels of smaller pictures
GAP = 0.06  # between pictures, of their height
HEADS = 40  # pixels of the figure that are no pictures


def png(grey: np.ndarray) -> str:
    """A picture as the text of a PNG file, base64.

    Args:
        grey: [height, width] grey levels from 0 to 255; what is beyond them is cut off.

    Source: Portable Network Graphics Specification, 2nd ed., W3C (2003): colour type 0, eight bits, no filter.
    """
    levels = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    larger = -(-LEAST_SIDE // min(levels.shape))
    levels = levels.repeat(larger, axis=0).repeat(larger, axis=1)
    height, width = levels.shape
    lines = np.column_stack([np.zeros(height, np.uint8), levels])  # each line begins with the number of its filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    written = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)
    return base64.b64encode(written).decode("ascii")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def side_by_side(
    columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], *, shape: tuple[int, int], height: int = 130
) -> Figure:
    """Pictures in rows and columns.

    Args:
        columns: What stands over each column.
        rows: What stands beside each row, and its pictures as `png` gives them.
        shape: Height and width of a picture, of which all have the same.
        height: Of a picture, in screen pixels, where there is room.
    """
    wide = shape[1] / shape[0]
    figure = new_figure("", "", height=HEADS + round(height * (1 + GAP) * len(rows)))
    for row, (_, pictures) in enumerate(rows):
        for column, text in enumerate(pictures):
            figure.add_layout_image(
                source=f"data:image/png;base64,{text}",
                xref="x",
                yref="y",
                x=column * (wide + GAP),
                y=row * (1 + GAP),
                sizex=wide,
                sizey=1,
                sizing="stretch",
                layer="above",
            )
    # A trace without points: axes of a figure without any are not drawn.
    figure.add_scatter(x=[None], y=[None], showlegend=False, hoverinfo="skip")
    plain = {"showgrid": False, "showline": False, "ticks": ""}
    figure.update_xaxes(
        range=[0, len(columns) * (wide + GAP)],
        side="top",
        tickvals=[k * (wide + GAP) + wide / 2 for k in range(len(columns))],
        ticktext=[escaped(each) for each in columns],
        constrain="domain",
        constraintoward="left",
        tickangle=0,
        **plain,
    )
    figure.update_yaxes(
        range=[len(rows) * (1 + GAP), 0],
        tickvals=[k * (1 + GAP) + 0.5 for k in range(len(rows))],
        ticktext=[escaped(name) for name, _ in rows],
        scaleanchor="x",
        constrain="domain",
        constraintoward="top",
        **plain,
    )
    return figure
