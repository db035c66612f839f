"""Access control: who calls, and what they may do, themselves or through agents."""
