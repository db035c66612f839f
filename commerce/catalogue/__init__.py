"""Every event of the trade: what it means and what it carries."""
