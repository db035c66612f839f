import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.egress import urls
from workflows.egress.refusals import EgressRefused
from workflows.egress.urls import Target

REFUSED = {
    "": "characters that must be",
    "ok.example": "neither http nor https",
    "//ok.example/": "neither http nor https",
    "https://": "an odd host",
    "https:///path": "an odd host",
    "https:ok.example": "cannot be read",
    "gopher://ok.example/": "neither http nor https",
    "file:///etc/passwd": "neither http nor https",
    "unix:/run/docker.sock": "neither http nor https",
    "javascript:alert(1)": "neither http nor https",
    "http://a@127.0.0.1": "user name or password",
    "http://a:b@ok.example": "user name or password",
    "http://ok.example:80@127.0.0.1/": "user name or password",
    "http://@ok.example/": "user name or password",
    "http://127.0.0.1#@ok.example": "a fragment",
    "https://ok.example/#": "a fragment",
    "http://ok.example\\@127.0.0.1": "characters that must be",
    "http:\\\\ok.example": "characters that must be",
    "http://①②⑦.⓪.⓪.①/": "characters that must be",
    "http://１２７.0.0.1/": "characters that must be",  # noqa: RUF001
    "http://münchen.example/": "characters that must be",
    "https://ok.example/a b": "characters that must be",
    " https://ok.example/": "characters that must be",
    "https://ok.example/\r\nHost: evil": "characters that must be",
    "https://ok.example/\x00": "characters that must be",
    "https://ok.example/\t": "characters that must be",
    "https://ok.example:0/": "an odd port",
    "https://ok.example:/": "an odd port",
    "https://ok.example:65536/": "cannot be read",
    "https://ok.example:-1/": "cannot be read",
    "https://ok.example:8o/": "cannot be read",
    "https://[::1/": "cannot be read",
    "https://[fe80::1%25eth0]/": "an odd host",
    "https://[v1.fe]/": "an odd host",
    "https://[::1]x/": "an odd host",
    "https://[::1].ok.example/": "an odd host",
    "https://[::1].ok.example:443/": "an odd host",
    "https://ok..example/": "an odd host",
    "https://ok.example../": "an odd host",
    "https://.ok.example/": "an odd host",
    "https://-ok.example/": "an odd host",
    "https://ok%2eexample/": "an odd host",
    "https://ok,example/": "an odd host",
    "https://" + "a." * 130 + "example/": "an odd host",
    "https://ok.example/" + "a" * 2048: "longer than 2048",
}


class TestParse:
    @pytest.mark.parametrize("url", REFUSED)
    def test_refuses_what_two_parsers_could_read_differently(self, url: str) -> None:
        with pytest.raises(EgressRefused) as refusal:
            urls.parse(url)

        assert REFUSED[url] in str(refusal.value)

    def test_takes_a_plain_url_apart(self) -> None:
        assert urls.parse("HTTPS://Api.OK.example./v1/a%20b?c=d&e") == Target(
            scheme="https", host="api.ok.example", port=443, path="/v1/a%20b?c=d&e"
        )

    @pytest.mark.parametrize(
        ("url", "normal"),
        [
            ("http://ok.example", "http://ok.example/"),
            ("http://ok.example:80/", "http://ok.example/"),
            ("https://ok.example:8443?q", "https://ok.example:8443/?q"),
            ("https://[2606:4700::1]/x", "https://[2606:4700::1]/x"),
            ("http://xn--mnchen-3ya.example/", "http://xn--mnchen-3ya.example/"),
        ],
    )
    def test_writes_it_again_in_its_normal_form(self, url: str, normal: str) -> None:
        assert str(urls.parse(url)) == normal

    @given(st.text(max_size=60).map("http://".__add__) | st.text(max_size=60))
    def test_reads_its_own_writing(self, url: str) -> None:
        try:
            target = urls.parse(url)
        except EgressRefused:
            return

        assert urls.parse(str(target)) == target
