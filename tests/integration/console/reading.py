"""How tests read the pages of the console."""

import re

from django.test import Client


def page_of(client: Client, address: str, *, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content.decode()[:2000]
    return response.content.decode()


def rows_of(page: str) -> list[str]:
    listed, _, _ = page.partition("<template")
    return re.findall(r'data-of="name">([^<]+)<', listed)
