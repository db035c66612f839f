"""Write docs/errors.md and docs/openapi.yaml from the code."""

from config.web import api_documents
from events.generated_documents import DocumentsCommand


class Command(DocumentsCommand):
    help = "Write docs/errors.md and docs/openapi.yaml; with --check only say which is stale."
    documents = {
        "errors.md": api_documents.errors_markdown,
        "openapi.yaml": api_documents.openapi_yaml,
    }
