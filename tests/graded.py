"""Results of a graded class, small and by hand, in the form that a run writes them."""

import json

FACTS = {"assignment": "hw3", "title": "Layers", "level": "strong", "seed": 5, "version": "0.15"}

# What a student could put into a name or a message to be more than data.
HOSTILE = [
    "=HYPERLINK(\"http://evil\")",
    "@SUM(1)",
    "\t=1+1",
    "\r-1",
    "<script>alert(1)</script>",
    "]]></failure><x a='",
    "\" onload=\"alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "a\x00b\udc80\ufffe",
    "\u202egnp.exe\u2066",
    "x\r\n,\"y\"\n- z",
    "# h\n| a | b |\n![i](http://evil)",
]  # fmt: skip


def check(stage, of=2.0, code="", sentence="", verdict="", hint="", visible=True):
    """A check of a stage: right without a code, else wrong."""
    verdict = verdict or ("FAIL" if code else "PASS")
    return {
        "stage": stage,
        "score": of if verdict == "PASS" else 0.0,
        "max_score": of,
        "verdict": verdict,
        "code": code,
        "sentence": sentence,
        "hint": hint,
        "visible": visible,
    }


def question(*checks):
    wrong = [c for c in checks if c["verdict"] != "PASS"]
    return {
        "score": sum(c["score"] for c in checks),
        "max_score": sum(c["max_score"] for c in checks),
        "verdict": wrong[0]["verdict"] if wrong else "PASS",
        "reason": wrong[0]["code"] if wrong else "",
        "checks": list(checks),
    }


def student(name, ids=None, rejected="", notes=(), **questions):
    return {
        **FACTS,
        "student": name,
        "score": sum(q["score"] for q in questions.values()),
        "max_score": sum(q["max_score"] for q in questions.values()),
        "sha256": "0" * 64,
        "ids": ids or {},
        "notes": list(notes),
        "rejected": rejected,
        "questions": questions,
    }


def right(name, /, **ids):
    """A student with 10 of 10 points for one question, affine; 2 of them hidden."""
    return student(
        name,
        ids,
        affine=question(check("forward", 4.0), check("db", 4.0), check("edges", visible=False)),
    )


def wrong(name, /, **ids):
    """A student who forgot to sum over the batch: 6 of 10 points."""
    db = check("db", 4.0, "batch sum missing", "b is added to every row.", hint="Look at shapes.")
    edges = check("edges", visible=False)
    return student(name, ids, affine=question(check("forward", 4.0), db, edges))


def write_class(out, students, times=None, **run):
    """Write the folder that a run leaves."""
    facts = {**FACTS, "questions": {"affine": 10.0}, **run}
    (out / "students").mkdir(parents=True)
    (out / "run.json").write_text(json.dumps(facts))
    if times is not None:
        (out / "times.json").write_text(json.dumps(times))
    for one in students:
        (out / "students" / f"{one['student']}.json").write_text(json.dumps(one))
    return out
