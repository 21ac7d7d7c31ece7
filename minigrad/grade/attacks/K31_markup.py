# verdict: CRASH
# level: none
# stage: shapes forward dX dW db
"""Fails with a message that is markup, in a page or in XML."""


class Markup(Exception):
    pass


Markup.__name__ = "<img src=x onerror=alert(1)>"


def affine(X, U):
    raise Markup(']]></failure><script>alert("1")</script>&lt;|[x](javascript:alert(1))\n\n# 10/10')
