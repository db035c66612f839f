"""The pages, one module per room. Each asks a selector or calls a service, and renders."""
