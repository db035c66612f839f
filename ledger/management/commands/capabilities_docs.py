"""Write docs/capabilities.md from the registry."""

from events.generated_documents import DocumentsCommand
from ledger import documentation


class Command(DocumentsCommand):
    help = "Write docs/capabilities.md from the registry; with --check only say if it is stale."
    documents = {"capabilities.md": documentation.markdown}
