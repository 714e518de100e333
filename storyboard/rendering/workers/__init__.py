"""Several machines: what a take is made from as one value, who makes it, and Ray behind that.

May import the document, the store, media and the queue's values; Ray only inside the functions of `hub` and `actor`,
which run in processes of their own.
"""
