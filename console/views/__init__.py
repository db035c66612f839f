"""The pages, one module per subject. Each queries a selector or calls a service, and renders."""
