"""The grammar of one reply of a root model, for servers that keep a model to a grammar: written anew for each turn."""
