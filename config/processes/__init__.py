"""The product as processes: how `up` starts, watches and stops them."""
