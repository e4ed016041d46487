"""How the service reaches PostgreSQL: logins that change, connections that break, statements."""
