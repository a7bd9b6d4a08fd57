"""The cloud services' account in an object store, over its public HTTP interface."""
