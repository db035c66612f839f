import pytest

from events.domain.redaction import redact

CANARY = "c4n4ryDoNotPrint"

SECRETS = {
    "a bearer token": f"Authorization: Bearer {CANARY}.abc",
    "basic credentials": f"authorization: basic {CANARY}==",
    "an API key of ours": f"key daybook_0a1b2c3d4e5f_{CANARY}",
    "a webhook secret": f"whsec_{CANARY}/+=",
    "a key of a payment provider": f"sk_live_{CANARY}",
    "a PEM block": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
    "a PEM block cut off": f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}",
    "a password in a URL": f"postgresql://owner:{CANARY}@db/daybook",
    "a password in a form": f"username=alice&password={CANARY}&next=/",
    "a password in JSON": f'{{"password": "{CANARY} with spaces"}}',
    "a password in a Python repr": f"{{'new_password1': '{CANARY}'}}",
    "a secret in prose": f"client_secret: {CANARY}",
    "a token": f"access_token={CANARY}",
    "a JSON web token": f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
    "a ticket for a socket": f'"WebSocket /ws/events?after=1&ticket={CANARY}" [accepted]',
    "the signature of a callback": f'"POST /webhook/f/s/t?signature={CANARY} HTTP/1.1" 200',
    "a row that PostgreSQL refused": f"DETAIL:  Failing row contains (7, {CANARY}, (a)\n.b, null).",
    "a row cut off": f"DETAIL:  Failing row contains (7, {CANARY}",
    "a session cookie": f"Cookie: sessionid={CANARY}; theme=dark",
}


class TestRedact:
    @pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
    def test_takes_out(self, text: str) -> None:
        assert CANARY not in redact(text)
        assert "[redacted]" in redact(text)

    @pytest.mark.parametrize(
        "text",
        [
            "invoice 7 settled in 12 ms",
            "GET /api/v1/bookings?status=paid 200",
            "the bearer of bad news",
            "https://example.org/a?b=c",
        ],
    )
    def test_leaves_ordinary_text_alone(self, text: str) -> None:
        assert redact(text) == text

    def test_takes_out_the_address_of_a_person(self) -> None:
        assert redact("to=ada.l+x@mail.example.com ok") == "to=[redacted] ok"

    def test_keeps_what_is_around_a_secret(self) -> None:
        assert redact("user=alice password=x next=/") == "user=alice password=[redacted] next=/"

    def test_keeps_what_is_said_beside_the_row(self) -> None:
        text = 'violates "a"\nDETAIL:  Failing row contains (1, (x).y).\nCONTEXT:  SQL statement'

        assert redact(text) == (
            'violates "a"\nDETAIL:  Failing row contains ([redacted]).\nCONTEXT:  SQL statement'
        )

    @pytest.mark.parametrize(
        "piece",
        [
            "x",
            "a.",
            "token",
            "token-",
            "eyJ-",
            "token ",
            "-----BEGIN A",
            "a@",
            'token="',
            "://a:",
            "Failing row contains (",
        ],
    )
    def test_reads_what_is_long_and_close_to_a_secret_once(self, piece: str) -> None:
        """Read again from each of its letters, it would take hours: who sends it decides that."""
        redacted = redact("password=x " + piece * (300_000 // len(piece)))

        assert redacted.startswith("password=[redacted] ")
