"""What is under way: flows, runs, machines, webhooks, and the work under all of them."""
