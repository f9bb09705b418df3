"""How one server is spoken to: its address, the client, ways of asking, what replies and refusals mean, its pace."""
