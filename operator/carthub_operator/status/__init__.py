"""What the operator says of a CartService: pure, from the resource and what was seen.

Read by people in `kubectl describe`, and by tools that follow kstatus: Stalled=True means that
somebody has to act, Reconciling=True that it goes on by itself, neither and Ready=True done.
"""
