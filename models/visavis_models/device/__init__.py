"""Pictures drawn on a card: everything here needs torch, and is imported only where a card draws."""
