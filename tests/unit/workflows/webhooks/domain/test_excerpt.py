from hypothesis import given
from hypothesis import strategies as st

from workflows.webhooks.domain import excerpt


class TestExcerpt:
    def test_blots_out_what_looks_like_a_secret(self) -> None:
        assert excerpt.excerpt(b"token whsec_abcdefghijklmnop!") == "token [redacted]!"

    def test_knows_the_secrets_in_the_json_of_an_answer(self) -> None:
        body = b'{"access_token": "c4n4ry", "next": "/"}'

        assert excerpt.excerpt(body) == '{"access_token": [redacted], "next": "/"}'

    def test_does_not_keep_half_a_secret_at_the_cut(self) -> None:
        body = b"x" * 4086 + b" whsec_abcdefghijklmnop"

        assert "whsec" not in excerpt.excerpt(body)

    @given(st.binary(max_size=9000))
    def test_is_always_text_of_at_most_four_kibibytes(self, body: bytes) -> None:
        assert len(excerpt.excerpt(body).encode()) <= 4096
        assert "\x00" not in excerpt.excerpt(body)


class TestHeaders:
    def test_keep_names_and_drop_credentials(self) -> None:
        assert excerpt.headers(
            {"Webhook-Id": "m_1", "webhook-signature": "v1,abc", "Set-Cookie": "sid=1"}
        ) == {"webhook-id": "m_1", "webhook-signature": "[redacted]", "set-cookie": "[redacted]"}

    def test_are_known_for_a_secret_by_their_name(self) -> None:
        assert excerpt.headers({"X-Api-Key": "c4n4ry", "Etag": "c4n4ry"}) == {
            "x-api-key": "[redacted]",
            "etag": "c4n4ry",
        }

    def test_are_bounded_in_number_and_length(self) -> None:
        kept = excerpt.headers({f"x-{n}": "v" * 9999 for n in range(99)})

        assert len(kept) == 30
        assert {len(value) for value in kept.values()} == {256}
