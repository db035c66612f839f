"""The booking aggregate: state, messages, `decide`, `evolve` and its stored form."""
