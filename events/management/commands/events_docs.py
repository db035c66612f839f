"""Write docs/events.md from the catalogue."""

from events import documentation
from events.generated_documents import DocumentsCommand


class Command(DocumentsCommand):
    help = "Write docs/events.md from the catalogue; with --check only say whether it is stale."
    documents = {"events.md": documentation.markdown}
