"""Every event of the trade: what it means and what it carries (Voyant §2.8-2.9, Appendix A)."""
