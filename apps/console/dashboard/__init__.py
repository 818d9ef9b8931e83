"""What changes on pages, over one WebSocket for each open page (docs/api.md, "WebSockets")."""
