"""The resource as its users see it: names, spec, conditions, and the CRD made from them."""
