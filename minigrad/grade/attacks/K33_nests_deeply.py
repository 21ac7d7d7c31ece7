# verdict: MISSING CRASH MEMORY TIMEOUT
# level: none
# stage: shapes forward dX dW db
"""Makes the compiler climb deeper than its stack goes."""

nested = f"{'(' * 50}{'[' * 50}{'-' * 1_000_000}1{']' * 50}{')' * 50}"
exec(compile(nested, "deep.py", "exec"))
exec(compile("x = " + "".join(f"({i}+" for i in range(100_000)), "long.py", "exec"))
