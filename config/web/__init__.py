"""What every HTTP response and WebSocket has in common: middleware, errors, pages, limits."""
