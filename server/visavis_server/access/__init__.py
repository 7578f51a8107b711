"""Who may do what: keys, tokens, the rule of every address, and how much one visitor may use."""
