"""The API, a class per group of resources: what a request asks is recorded as wanted, and answered."""
