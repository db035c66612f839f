"""Fan-out to many sockets: the servers, the publishers, and the crowd that listens."""
