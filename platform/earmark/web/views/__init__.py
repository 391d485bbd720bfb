"""The pages: they translate between a request and the floors below, and decide nothing."""
