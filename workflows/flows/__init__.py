"""Goal-driven flows: declare goals; the engine plans and runs the steps that reach them."""
