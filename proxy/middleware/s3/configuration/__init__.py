"""What the owner of a bucket says of it, and what then holds for everybody.

keeping.py      documents of XML: set, shown, taken away; kinds.py says which there are
permissions.py  access lists and policies; judging.py asks them whenever somebody wants something
locking.py      object lock, in both APIs; retention.py is one version's
sharing.py      pages of other origins
expiring.py     lifecycles, carried out by a daemon; forecast.py tells what is to come
"""
