"""Views: parse the request, call one service, serialise the answer. They hold no business rule."""
