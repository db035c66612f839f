"""What only the clients of Argyll see: their list of flows, and their live feed."""
