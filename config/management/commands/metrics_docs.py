"""Write docs/metrics.md from the metrics that the apps declare."""

from config.web import metrics
from events.generated_documents import DocumentsCommand


class Command(DocumentsCommand):
    help = "Write docs/metrics.md from the declarations; with --check only say if it is stale."
    documents = {"metrics.md": metrics.markdown}
