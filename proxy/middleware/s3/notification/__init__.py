"""Telling webhooks of what happens to a bucket's objects, through whichever API: at least once.

configuring.py  GET and PUT ?notification; rules.py what it says; targets.py the operator's webhooks
recording.py    the filter: an entry in the log before a change, another one in its place after it
meaning.py      what a request of the S3 door means, where its method does not tell
happenings.py   an entry; queues.py where in the log it stands; messages.py what the webhook is told of it
delivery.py     one target's queues worked through; resting.py when what failed is tried again
doubts.py       whether something happened of which a proxy that died has left only the intent
"""
