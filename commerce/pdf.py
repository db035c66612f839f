"""Renders an invoice as PDF: A4, one table, an embedded font. Read-only."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from commerce.documents import LettersMissing

_MARGIN: Final = 22 * mm
_COLUMNS: Final = [80 * mm, 14 * mm, 24 * mm, 24 * mm, 24 * mm]
_FONTS: Final = {"Sans": "DejaVuSans.ttf", "SansBold": "DejaVuSans-Bold.ttf"}
_RIGHT_TO_LEFT: Final = {"R", "AL"}

_TEXT: Final = ParagraphStyle("text", fontName="Sans", fontSize=9, leading=13)
_TITLE: Final = ParagraphStyle("title", fontName="SansBold", fontSize=16, leading=22)
_RULES: Final = TableStyle(
    [
        ("FONT", (0, 0), (-1, -1), "Sans", 9),
        ("FONT", (0, 0), (-1, 0), "SansBold", 9),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
        ("LINEABOVE", (0, -3), (-1, -3), 0.8, colors.black),
        ("FONT", (0, -1), (-1, -1), "SansBold", 9),
    ]
)


def invoice_pdf(document: Mapping[str, Any]) -> bytes:
    """Return the PDF of an invoice. The same document always gives the same bytes.

    :raises LettersMissing: if its font lacks a letter of it, or it is written from right to left.

    `document` has `number`, `booking`, `customer`, `issued`, `due_by` (texts; there may be no
    customer), `lines` (each with
    `description`, `quantity`, `unit`, `tax`, `amount`), `total`, `paid` and `due`.
    """
    _register_fonts()
    _check_letters(document)
    paper = BytesIO()
    SimpleDocTemplate(
        paper,
        pagesize=A4,
        title=f"Invoice {document['number']}",
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        # Without the time of making and a random id: a hash of it then means something.
        invariant=1,
    ).build(_content(document))
    return paper.getvalue()


def _content(document: Mapping[str, Any]) -> list[Flowable]:
    about = f"Booking {document['booking']}. Issued {document['issued']}, due {document['due_by']}."
    table = Table(_rows(document), colWidths=_COLUMNS, repeatRows=1)
    table.setStyle(_RULES)
    return [
        Paragraph(_plain(f"Invoice {document['number']}"), _TITLE),
        Paragraph(_plain(about), _TEXT),
        *([Paragraph(_plain(f"To {document['customer']}"), _TEXT)] if document["customer"] else []),
        Spacer(0, 8 * mm),
        table,
    ]


def _rows(document: Mapping[str, Any]) -> list[Sequence[Any]]:
    lines = [
        # A paragraph, for it may need more than one line.
        [
            Paragraph(_plain(line["description"]), _TEXT),
            *(str(line[name]) for name in ("quantity", "unit", "tax", "amount")),
        ]
        for line in document["lines"]
    ]
    return [
        ["What", "Quantity", "Each", "Tax", "Amount"],
        *lines,
        ["Total", "", "", "", document["total"]],
        ["Paid", "", "", "", document["paid"]],
        ["Due", "", "", "", document["due"]],
    ]


def _plain(text: str) -> str:
    # A paragraph understands markup; what somebody typed is none.
    return escape(_composed(text))


def _composed(text: str) -> str:
    # The font knows letters with their accents, and not accents by themselves.
    return unicodedata.normalize("NFC", text)


def _check_letters(document: Mapping[str, Any]) -> None:
    known = pdfmetrics.getFont("Sans").face.charToGlyph
    written = {letter for text in _typed(document) for letter in _composed(text)}
    if not all(letter.isspace() or _is_drawn(letter, known) for letter in written):
        raise LettersMissing


def _is_drawn(letter: str, known: Mapping[int, int]) -> bool:
    # The font has Arabic and Hebrew letters too, and nothing here would join or turn them round.
    return ord(letter) in known and unicodedata.bidirectional(letter) not in _RIGHT_TO_LEFT


def _typed(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what people have typed; everything else is made of digits and Latin letters."""
    yield document["customer"]
    for line in document["lines"]:
        yield line["description"]


def _register_fonts() -> None:
    folder = Path(__file__).parent / "fonts"
    for name, file in _FONTS.items():
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, folder / file))
