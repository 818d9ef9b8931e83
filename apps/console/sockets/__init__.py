"""What all WebSockets share: who is let in, tickets, envelopes, and how they end (docs/api.md, "WebSockets")."""
