"""The examples of the Amazon S3 API Reference, "Signature Calculations for the Authorization
Header: Transferring Payload in a Single Chunk"."""

from datetime import UTC, datetime

import pytest

from workflows.witnesses.sigv4 import Credentials, Scope, signed

HOST = "examplebucket.s3.amazonaws.com"
EXAMPLE = Credentials(
    access_key="AKIAIOSFODNN7EXAMPLE",
    secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)
AT = datetime(2013, 5, 24, tzinfo=UTC)


def authorization(
    method: str = "GET",
    path: str = "/",
    query: dict[str, str] | None = None,
    body: bytes = b"",
    **headers: str,
) -> str:
    all_headers = {
        "host": HOST,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return signed(
        all_headers,
        method=method,
        path=path,
        query=query or {},
        body=body,
        at=AT,
        scope=Scope(region="us-east-1"),
        credentials=EXAMPLE,
    )["authorization"]


class TestExamplesOfAws:
    def test_get_object(self) -> None:
        assert authorization(path="/test.txt", range="bytes=0-9") == (
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        )

    def test_put_object(self) -> None:
        assert authorization(
            "PUT",
            "/test$file.text",
            body=b"Welcome to Amazon S3.",
            date="Fri, 24 May 2013 00:00:00 GMT",
            x_amz_storage_class="REDUCED_REDUNDANCY",
        ).endswith(
            "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
            "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        )

    @pytest.mark.parametrize(
        ("query", "signature"),
        [
            (
                {"lifecycle": ""},
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                {"prefix": "J", "max-keys": "2"},
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ],
    )
    def test_queries(self, query: dict[str, str], signature: str) -> None:
        assert authorization(query=query).endswith(f"Signature={signature}")


def test_the_secrets_of_credentials_are_not_shown() -> None:
    shown = repr(Credentials(access_key="AK", secret_key="hush", session_token="quiet"))

    assert "hush" not in shown
    assert "quiet" not in shown


def test_the_token_of_a_session_is_signed_too() -> None:
    headers = signed(
        {"host": HOST},
        method="GET",
        path="/",
        query={},
        body=b"",
        at=AT,
        scope=Scope(region="us-east-1"),
        credentials=Credentials(access_key="AK", secret_key="hush", session_token="quiet"),
    )

    assert headers["x-amz-security-token"] == "quiet"
    assert "x-amz-security-token" in headers["authorization"]
