"""Every text can be read in both themes: WCAG AA, from the tokens themselves."""

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[3] / "static/console/css/tokens.css"
_TOKEN = re.compile(r"--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)")
COLOURS = {name: themes for name, *themes in _TOKEN.findall(TOKENS.read_text())}

AA_TEXT = 4.5
AA_CONTROL = 3.0
SURFACES = ["paper", "surface", "sunken", "hover", "selected"]
TONES = ["ok", "run", "wait", "bad", "dead", "mute"]

PAIRS = [
    *((text, on) for text in ["ink", "ink-soft", "ink-faint"] for on in SURFACES),
    *(("brand", on) for on in ["paper", "surface", "hover"]),
    *(("brand-strong", on) for on in ["surface", "selected"]),
    ("on-brand", "brand"),
    ("on-brand", "brand-strong"),
    *((tone, f"{tone}-ground") for tone in TONES),
    *((tone, "surface") for tone in TONES),
    *(("ink", f"{tone}-ground") for tone in TONES),
    *((f"json-{part}", "sunken") for part in ["key", "string", "number", "word"]),
]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: int) -> None:
    assert contrast(COLOURS[text][theme], COLOURS[ground][theme]) >= AA_TEXT


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "surface", "sunken"])
@pytest.mark.parametrize("line", ["control", "focus"])
def test_controls_and_focus_can_be_seen(line: str, ground: str, theme: int) -> None:
    assert contrast(COLOURS[line][theme], COLOURS[ground][theme]) >= AA_CONTROL


def test_no_other_sheet_names_a_colour() -> None:
    for sheet in TOKENS.parent.glob("*.css"):
        if sheet != TOKENS:
            assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![-\w])", sheet.read_text()), sheet
