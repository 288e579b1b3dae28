"""What people can do, one transaction per function.

Functions take the store first and everything that makes them repeatable as arguments: `now_us` (UTC
microseconds) and, where they make ids or secrets, `entropy` (a function like `os.urandom`). They check what
must always hold; who may call them is decided before, by the permission table. Every change writes its audit
row in the same transaction.
"""
