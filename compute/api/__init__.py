"""The frame that all cloud services stand in: a request, who sends it, whom it goes to, and what comes of it.

environ ──▶ Service ──▶ Routes ──▶ Verifier ──▶ handler(Call, …) ──▶ Response
               └── Fault, raised anywhere below ──▶ the service's own way to say it
"""
