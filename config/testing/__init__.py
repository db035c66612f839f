"""The test harness: pytest plugins and fixtures, never imported by the product."""
