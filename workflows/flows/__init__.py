"""Goal-driven flows: declare what you want, replay how you got it."""
