"""What a host does for the networks: fetch what it shall have, compare with what is there, make it so.

    wanted (JSON) ──▶ layout ──▶ steps (against what is observed) ──▶ execution: ip, nft, dnsmasq

The first three are functions of values; only observation, execution and the agent itself touch the machine.
"""
