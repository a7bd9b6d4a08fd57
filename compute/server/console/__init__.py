"""The console server: websockets on one side, the hosts' consoles on the other.

It knows neither catalogue nor hosts: for each connection it asks the server service what the token opens.
"""
