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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLED = (
    *("frames/*.py", "stores/*.py", "models/decision/*.py", "models/ensemble/*.py"),
    *("evaluation/folds.py", "evaluation/metrics.py", "evaluation/bootstrap.py"),
)
NEEDED = ("src", "tests", "configs", "benchmarks", "pyproject.toml", "README.md", "docs")
"""What the tests read of the project."""
SLOW = ("tests/verbs/test_training.py", "tests/verbs/test_fetch_command.py", "tests/test_cli.py")
"""Left out, however much they import: each takes longer than all tests of a module."""
SLOWER = 5
"""A test file that takes this many times as long as without a fault, and a minute more, has noticed it."""
LONGEST_S = 3600
"""Wall-clock seconds of a test file that waits."""
LOADED = "ignore::pytest.PytestAssertRewriteWarning"
"""Plugins are loaded before pytest starts."""

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
    """``n`` of all changes of the modules that are looked at, in the order of the source."""
    folder = root / "src" / "rbztf"
    files = [path for pattern in SAMPLED for path in folder.glob(pattern)]
    everything = [m for f in files for m in mutants_of(str(f.relative_to(folder)), f.read_bytes())]
    print(f"{n} of {len(everything)} changes, seed {seed}", flush=True)
    chosen = sorted(everything, key=lambda mutant: mutant.mark(seed))[:n]
    return sorted(chosen, key=lambda mutant: (mutant.module, mutant.start, mutant.after))


def imported(text: str) -> set[str]:
    """Full names that a file imports: of ``from a import b``, both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{alias.name}" for alias in names)}
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
    return found


def tests_of(root: Path, module: str, seconds: Mapping[str, float] | None = None) -> list[str]:
    """Test files that import a module or lie where the test of its name does; that one first, then the fastest."""
    mirrored = Path("tests", module).with_name(f"test_{Path(module).name}")
    dotted = "rbztf." + module.removesuffix(".py").replace("/", ".")
    found = [
        name
        for path in (root / "tests").rglob("test_*.py")
        if (name := path.relative_to(root)).parent == mirrored.parent
        or dotted in imported(path.read_text(encoding="utf-8"))
    ]
    order = sorted(found, key=lambda name: (name != mirrored, (seconds or {}).get(str(name), 0.0), name))
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
        self.log = folder / "log"
        self.seconds: dict[str, float] = {}

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
        import pytest

        with self.log.open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        most = 60 + int(SLOWER * self.seconds.get(test, LONGEST_S))
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        os.chdir(self.root)
        sys.path.insert(0, str(self.root / "src"))
        os.environ["PYTHONPATH"] = str(self.root / "src")
        options = ("-x", "--tb=line", "-p", "no:cacheprovider", "--basetemp", f"{self.log}.d", "-W", LOADED)
        return int(pytest.main([*options, test]))

    def outcome(self, mutant: Mutant) -> dict[str, str]:
        """Plant a fault, run the tests of its module until one fails, take it out; what came of it."""
        path = self.root / "src" / "rbztf" / mutant.module
        whole = path.read_bytes()
        path.write_bytes(mutant.planted(whole))
        try:
            outcomes = map(self.run, tests_of(self.root, mutant.module, self.seconds))
            outcome = next((outcome for outcome in outcomes if outcome != "passed"), "passed")
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", self.log.read_text(errors="replace"), re.MULTILINE)
            return {"outcome": outcome, "by": failed[1] if failed else ""}
        finally:
            path.write_bytes(whole)

    def check(self, mutants: list[Mutant]) -> None:
        """Run what notices faults without any, and keep how long each test file takes."""
        for name in sorted(
            {name for module in {m.module for m in mutants} for name in tests_of(self.root, module)}
        ):
            began = time.monotonic()
            if self.run(name) != "passed":
                raise SystemExit(f"{name} fails without a fault:\n{self.log.read_text()[-2000:]}")
            self.seconds[name] = time.monotonic() - began
            print(f"{name}: {self.seconds[name]:.0f} s", flush=True)


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
    sys.dont_write_bytecode = True
    before = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    results = {row["mark"]: row for row in before}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        import_what_is_used(bench.root)
        chosen = sample(bench.root, arguments.n, arguments.seed)
        done = {mark for mark, row in results.items() if not (arguments.again and row["outcome"] == "passed")}
        marks = [mutant.mark(arguments.seed) for mutant in chosen]
        left = [m for m, mark in zip(chosen, marks) if mark not in done and arguments.only in m.module]
        bench.check(left)
        for number, mutant in enumerate(left, 1):
            row = {"mark": mutant.mark(arguments.seed), **bench.outcome(mutant), **asdict(mutant)}
            print(f"{number}/{len(left)} {row}", flush=True)
            results[row["mark"]] = row
            arguments.out.write_text(json.dumps(list(results.values()), indent=1))
    print(table([results[mark] for mark in marks if mark in results]))


if __name__ == "__main__":
    main()
