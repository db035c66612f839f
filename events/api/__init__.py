"""The log over HTTP: pages by position, streams, the catalogue, and tickets for sockets."""
