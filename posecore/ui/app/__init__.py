"""How the app starts: the pages there are, and the server behind them."""
