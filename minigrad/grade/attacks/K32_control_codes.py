# verdict: CRASH
# level: none
# stage: shapes forward dX dW db
"""Fails with a message of terminal codes, text from right to left, NUL, and half characters."""


def affine(X, U):
    clear, bell, title = "\x1b[2J\x1b[H", "\x07", "\x1b]0;PASS\x07"
    raise ValueError(f"{clear}{title}{bell}\u202e001 :erocs\u2066\x00\x9b31m\x85\ud800\r10/10")
