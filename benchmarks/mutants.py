"""Faults planted one at a time: how many of them the tests notice.

A seeded sample of small changes (another comparison, sign, constant, and for or, a statement
left out, …) is planted in a copy of the source, one at a time, and the test files that belong to
the module run until the first fails: the one of its name, those beside it, and those that import
it. Text, messages, annotations and log lines are not changed. A change that no test notices has
survived.

    python benchmarks/mutants.py --out mutants.json             # the whole sample, hours
    python benchmarks/mutants.py --out mutants.json --again     # the survivors of that file once more
"""

from __future__ import annotations

import argparse
import ast
import compileall
import contextlib
import hashlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[1]
SAMPLED = (
    *("frames/*.py", "stores/*.py", "models/decision/*.py", "models/ensemble/*.py"),
    *("evaluation/folds.py", "evaluation/metrics.py", "evaluation/bootstrap.py"),
)
NEEDED = ("src", "tests", "configs", "benchmarks", "pyproject.toml", "README.md", "docs")
"""What the tests read of the project."""
SLOW = ("tests/verbs/test_training.py", "tests/verbs/test_fetch_command.py", "tests/test_cli.py")
"""Left out, however much they import: each takes longer than all tests of a module."""
MOST_CPU_S, LONGEST_S = 120, 1800
"""A test file of more CPU or wall-clock seconds has noticed the fault: it never ends."""
CHECKED = PycInvalidationMode.CHECKED_HASH
"""Bytecode that is read where the source is the same, not where its time is: faults come and go within a second."""
LOADED = "ignore::pytest.PytestAssertRewriteWarning"
"""Plugins are loaded before pytest starts."""
UNSHRUNK = "unshrunk"
"""Examples of hypothesis as in the tests; that one fails is enough, the smallest is not looked for."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn},
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}


@dataclass(frozen=True)
class Mutant:
    """One small change: which bytes of a file below ``src/rbztf`` are replaced, and by what.

    ``number`` tells it from the same change elsewhere in the file.
    """

    module: str
    line: int
    kind: str
    before: str
    after: str
    number: int
    start: int

    def mark(self, seed: int) -> str:
        """A hash that stays as it is when other lines change; the smallest make the sample."""
        words = (seed, self.module, self.kind, self.before, self.after, self.number)
        return hashlib.sha256(repr(words).encode()).hexdigest()[:12]

    def planted(self, source: bytes) -> bytes:
        """The file with the change."""
        end = self.start + len(self.before.encode())
        return source[: self.start] + self.after.encode() + source[end:]


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
    """Kind of each change of one node, the part of it that is replaced, and by what."""
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARISONS:
            swapped = ast.Compare(left, [COMPARISONS[type(operator)]()], [right])
            yield "comparison", node, f"({ast.unparse(swapped)})"
        case ast.BinOp(_, ast.Div(), ast.Constant(str()) | ast.JoinedStr()):
            pass  # a path
        case ast.BinOp(left, operator, right) if type(operator) in ARITHMETIC:
            yield "arithmetic", node, f"({ast.unparse(ast.BinOp(left, ARITHMETIC[type(operator)](), right))})"
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "and/or", node, f"({ast.unparse(ast.BoolOp(other, values))})"
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield "sign or not", node, f"({ast.unparse(operand)})"
        case ast.Constant(bool() as value):
            yield "constant", node, str(not value)
        case ast.Constant(int() as value):
            yield "constant", node, str(value + 1)
            yield "constant", node, f"({value - 1})"
        case ast.Constant(float() as value):
            yield "constant", node, str(2 * value or 1.0)
        case ast.Slice(lower, upper, step):
            for left, right in ((None, upper), (lower, None)):
                if (left, right) != (lower, upper):
                    yield "slice", node, ast.unparse(ast.Slice(left, right, step))
        case ast.If(test) | ast.IfExp(test) | ast.While(test):
            yield "condition", test, f"(not ({ast.unparse(test)}))"
        case ast.comprehension(ifs=[test]):
            yield "condition", test, f"(not ({ast.unparse(test)}))"
        case ast.Return(value) if value is not None:
            yield "return", value, "None"
        case ast.Expr(ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield "statement", node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "statement", node, "pass"
        case _:
            pass


def worth_changing(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but text, messages, annotations, types, assertions and the command line's words."""
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        yield node
        skipped: list[ast.AST | None] = []
        match node:
            case ast.JoinedStr() | ast.Assert():
                skipped = list(ast.iter_child_nodes(node))
            case ast.Raise(exc):
                skipped = [exc]
            case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=annotation):
                skipped = [annotation]
            case ast.FunctionDef(returns=returns):
                skipped = [returns, *node.decorator_list]
            case ast.ClassDef():
                skipped = [*node.decorator_list]
            case ast.If(test) if "TYPE_CHECKING" in ast.dump(test):
                skipped = list(ast.iter_child_nodes(node))
            case ast.Module(body):  # aliases of types: Fitted = Network | Trees
                skipped = [
                    n
                    for n in body
                    if isinstance(n, ast.Assign) and isinstance(n.value, ast.BinOp | ast.Subscript)
                ]
        for part in skipped:
            left_out |= {id(inner) for inner in ast.walk(part)} if part is not None else set()


def mutants_of(module: str, source: bytes) -> Iterator[Mutant]:
    """All changes of a file that leave it readable to Python."""
    starts = [0, *accumulate(len(line) for line in source.splitlines(keepends=True))]
    seen: Counter[tuple[str, ...]] = Counter()
    for node in worth_changing(ast.parse(source)):
        for kind, part, after in changes(node):
            start = starts[part.lineno - 1] + part.col_offset
            before = source[start : starts[part.end_lineno - 1] + part.end_col_offset].decode()
            seen[kind, before, after] += 1
            found = Mutant(module, part.lineno, kind, before, after, seen[kind, before, after], start)
            with contextlib.suppress(SyntaxError):
                compile(found.planted(source), module, "exec")
                yield found


def sample(root: Path, n: int, seed: int) -> list[Mutant]:
    """``n`` of all changes of the modules that are looked at; the first of them are a smaller sample."""
    folder = root / "src" / "rbztf"
    files = [path for pattern in SAMPLED for path in folder.glob(pattern)]
    everything = [m for f in files for m in mutants_of(str(f.relative_to(folder)), f.read_bytes())]
    print(f"{n} of {len(everything)} changes, seed {seed}", flush=True)
    return sorted(everything, key=lambda mutant: mutant.mark(seed))[:n]


@cache
def imported(path: Path) -> set[str]:
    """Full names that a file imports: of ``from a import b``, both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{alias.name}" for alias in names)}
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
    return found


def tests_of(root: Path, module: str) -> list[str]:
    """Test files for a module: the one of its name, those beside it, then those elsewhere that import it."""
    mirrored = Path("tests", module).with_name(f"test_{Path(module).name}")
    dotted = "rbztf." + module.removesuffix(".py").replace("/", ".")
    found = [
        name
        for path in (root / "tests").rglob("test_*.py")
        if (name := path.relative_to(root)).parent == mirrored.parent or dotted in imported(path)
    ]
    order = sorted(found, key=lambda name: (name != mirrored, name.parent != mirrored.parent, name))
    return [str(name) for name in order if str(name) not in SLOW]


def import_what_is_used(root: Path) -> None:
    """Load pytest and all that rbztf imports once, and rbztf itself not."""
    sys.path[:0] = [str(root / "src"), str(root / "tests")]
    for name in ("pytest", "hypothesis", "helpers"):
        importlib.import_module(name)
    for path in (root / "src" / "rbztf").rglob("*.py"):
        if not path.stem.startswith("__"):
            importlib.import_module(".".join(path.relative_to(root / "src").with_suffix("").parts))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rbztf", "helpers")]:
        del sys.modules[name]


class Bench:
    """A copy of the project in which faults are planted, and tests run in forks of this process."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        for name in NEEDED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif (ROOT / name).exists():
                shutil.copy(ROOT / name, self.root / name)
        (folder / "shared").symlink_to(ROOT.parent / "shared")
        compileall.compile_dir(self.root / "src", quiet=2, invalidation_mode=CHECKED)
        self.log = folder / "log"
        self.sound: set[str] = set()

    def run(self, test: str) -> str:
        """``passed``, ``failed`` or ``timed out``."""
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            try:
                os._exit(self._run(test))
            finally:  # never back into the parent's code
                traceback.print_exc()
                os._exit(1)
        ends = time.monotonic() + LONGEST_S
        while time.monotonic() < ends:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return "passed" if status == 0 else "timed out" if os.WIFSIGNALED(status) else "failed"
            time.sleep(0.05)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "timed out"

    def _run(self, test: str) -> int:
        import hypothesis
        import pytest

        with self.log.open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
        os.chdir(self.root)
        sys.path.insert(0, str(self.root / "src"))
        os.environ["PYTHONPATH"] = str(self.root / "src")
        hypothesis.settings.register_profile(
            UNSHRUNK,
            deadline=None,
            derandomize=True,
            database=None,
            max_examples=40,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        )
        options = ["-x", "--tb=line", "-p", "no:cacheprovider", "--basetemp", f"{self.log}.d", "-W", LOADED]
        return int(pytest.main([*options, "--hypothesis-profile", UNSHRUNK, test]))

    def outcome(self, mutant: Mutant, tests: Sequence[str]) -> dict[str, str]:
        """Plant a fault, run test files until one fails, take it out; what came of it."""
        path = self.root / "src" / "rbztf" / mutant.module
        whole = path.read_bytes()
        for test in tests:
            path.write_bytes(mutant.planted(whole))
            outcome = self.run(test)
            path.write_bytes(whole)
            if outcome != "passed":
                log = self.log.read_text(errors="replace")
                failed = re.search(r"^(?:FAILED|ERROR) (\S+)", log, re.MULTILINE)
                self.check(test)
                return {"outcome": outcome, "by": failed[1] if failed else test}
        return {"outcome": "passed", "by": ""}

    def check(self, test: str) -> None:
        """See that a test file that has noticed a fault passes without any."""
        if test not in self.sound and self.run(test) != "passed":
            raise SystemExit(f"{test} fails without a fault:\n{self.log.read_text()[-2000:]}")
        self.sound.add(test)


def table(results: list[dict[str, object]]) -> str:
    """Markdown: module, changes, noticed."""
    counts = Counter((str(row["module"]), row["outcome"] != "passed") for row in results)
    lines = ["| module | planted | noticed |", "|---|---|---|"]
    for module in sorted({module for module, _ in counts}):
        noticed = counts[module, True]
        lines.append(f"| {module} | {noticed + counts[module, False]} | {noticed} |")
    noticed = sum(n for (_, noticed), n in counts.items() if noticed)
    return "\n".join(
        [*lines, f"| **all** | {len(results)} | {noticed} ({noticed / max(len(results), 1):.0%}) |"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("mutants.json"))
    parser.add_argument("--only", default="", help="modules whose path holds this")
    parser.add_argument("--again", action="store_true", help="those that survived in --out once more")
    arguments = parser.parse_args()
    before = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    results = {row["mark"]: row for row in before}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        import_what_is_used(bench.root)
        chosen = {m.mark(arguments.seed): m for m in sample(bench.root, arguments.n, arguments.seed)}
        if arguments.again:
            results = {mark: row for mark, row in results.items() if row["outcome"] != "passed"}
        wanted = {mark: mutant for mark, mutant in chosen.items() if arguments.only in mutant.module}
        for far in (False, True):  # tests beside a module's own first: they notice most, and soon
            for mark, mutant in wanted.items():
                row = results.get(mark, {"outcome": "passed", "tests": []})
                near = Path("tests", mutant.module).parent
                tests = [t for t in tests_of(bench.root, mutant.module) if far or Path(t).parent == near]
                left = [test for test in tests if test not in row["tests"]]
                if row["outcome"] == "passed" and left:
                    row = {"mark": mark, **bench.outcome(mutant, left), "tests": tests, **asdict(mutant)}
                    print(row, flush=True)
                    results[mark] = row
                    arguments.out.write_text(json.dumps(list(results.values()), indent=1))
    print(table([results[mark] for mark in chosen if mark in results]))


if __name__ == "__main__":
    main()
