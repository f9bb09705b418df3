"""What a program is: text to tree, tree to typed program, and the words that it is written in. Nothing runs here."""
