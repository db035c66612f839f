"""The shapes of the trade on the wire: …In is what is asked, …Out is what is answered."""
