"""Networks of the cloud's projects: OpenStack's Networking API v2.0, and each host's agent that builds them.

client ──▶ app (documents, rules, addresses) ──▶ catalogue
agent (host/) ──GET what this host shall have──▶ app;  bridges, namespaces, dnsmasq, nftables ◀── agent
"""
