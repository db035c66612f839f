"""Write docs/settings.md from the source."""

from config import environment
from events.generated_documents import DocumentsCommand


class Command(DocumentsCommand):
    help = "Write docs/settings.md from the source; with --check only say whether it is stale."
    documents = {"settings.md": environment.markdown}
