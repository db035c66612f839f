"""Text of any origin, made safe for the eye."""

import json
from urllib.parse import unquote

import pytest

from console import addresses, text
from console.templatetags.console import dotted


class TestVisible:
    @pytest.mark.parametrize(
        ("hostile", "shown"),
        [
            ("pay \u202eelpmaxe", "pay \\u202eelpmaxe"),
            ("zero\u200bwidth", "zero\\u200bwidth"),
            ("\x1b[31mred", "\\u001b[31mred"),
            ("line\nline", "line\\u000aline"),
            ("\U000e0041 tag", "\\udb40\\udc41 tag"),
        ],
    )
    def test_shows_what_hides_itself(self, hostile: str, shown: str) -> None:
        assert text.visible(hostile) == shown

    @pytest.mark.parametrize("plain", ["Grüße, 東京 — 12 €", "שלום", "a\u00a0b"])
    def test_leaves_every_script_alone(self, plain: str) -> None:
        assert text.visible(plain) == plain


class TestVisiblePage:
    def test_shows_what_hides_itself_in_its_words(self) -> None:
        page = "<td>pay \u202eelp</td>\n\t<p>zero\u200bwidth<br>\u202e"

        assert text.visible_page(page) == (
            "<td>pay \\u202eelp</td>\n\t<p>zero\\u200bwidth<br>\\u202e"
        )

    @pytest.mark.parametrize(
        "field",
        [
            '<input value="👩\u200d🚀">',
            '<option value="\u202e">',
            "<textarea>\u202e</textarea>",
            '<script type="application/json">"\u200b"</script>',
            "<textarea>\n<b>\u202e</textarea>",
        ],
    )
    def test_leaves_alone_what_a_form_sends_back(self, field: str) -> None:
        assert text.visible_page(f"<p>{field}</p>") == f"<p>{field}</p>"


class TestDotted:
    def test_breaks_between_words_and_escapes_all_of_them(self) -> None:
        assert dotted("a.b_c/d") == "a.<wbr>b_<wbr>c/<wbr>d"
        assert dotted("<b>.\u202e") == "&lt;b&gt;.<wbr>\\u202e"

    def test_breaks_what_is_longer_than_any_word(self) -> None:
        assert dotted("fraudulent") == "fraudulent"
        assert dotted("a_" + 40 * "b") == f"a_<wbr>{16 * 'b'}<wbr>{16 * 'b'}<wbr>{8 * 'b'}"


class TestPretty:
    def test_remains_the_same_json(self) -> None:
        value = {"a": ["\u202e</script>", 1.5, None, "\ud800", "\U000e0041\x7f"], "b\u200b": {}}

        assert json.loads(text.pretty(value)) == value

    def test_hides_nothing(self) -> None:
        assert "\u202e" not in text.pretty({"\u202e": "\u202e"})


class TestAddresses:
    @pytest.mark.parametrize(
        "stream",
        [
            ("invoice", "7"),
            ("flow", "a/b"),
            ("odd", "..", "."),
            ("odd", "~2", "~", "%2F", "a b", "é?#"),
        ],
    )
    def test_lead_back_to_the_stream(self, stream: tuple[str, ...]) -> None:
        path = addresses.path_of(stream)

        assert addresses.stream_at(unquote(path)) == stream
        assert not {".", ".."} & set(path.split("/"))
