"""How good the search is: regret over training jobs, cold and warm, for our searcher and for other libraries.

    python benchmarks/search_quality.py run --data FOLDER --results FILE --engines ours,random --kinds cold --seeds 5
    python benchmarks/search_quality.py report --results FILE --out docs

`run` appends one line per tuning job to FILE and skips those that are there, so it can be stopped at any time.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from search_engines import Ours, Trace, random_search
from search_report import report

ENGINES = (
    "ours",
    "random",
    "optuna-tpe",
    "optuna-gp",
    "smac",
    "botorch",
    "syne-tune",
    "syne-tune-box",
    "syne-tune-quantile",
)


def main() -> None:
    arguments = parsed()
    if arguments.command == "report":
        found = [each for path in arguments.results for each in lines(path)]
        report(found, group=arguments.targets, out=arguments.out)
    else:
        run(arguments)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run tuning jobs that are not in the results yet")
    running.add_argument("--data", type=Path, default=os.environ.get("YAHPO_DATA"), help="folder of YAHPO's scenarios")
    running.add_argument("--results", type=Path, required=True)
    running.add_argument("--engines", default="ours,random", help=f"of {', '.join(ENGINES)}")
    running.add_argument(
        "--kinds", default="cold", help="cold, transfer-1, transfer-3, transfer-5, refresh, identical, ..."
    )
    running.add_argument("--targets", default="main", help="main, more or 'held out'")
    running.add_argument("--only", default="", help="run only targets whose name starts with this")
    running.add_argument("--seeds", type=int, default=3)
    reporting = commands.add_parser("report", help="print the table and draw the plots")
    reporting.add_argument("--results", type=Path, required=True, nargs="+")
    reporting.add_argument("--targets", default="main", help="main, more or 'held out'")
    reporting.add_argument("--out", type=Path, help="folder for the plots")
    found = parser.parse_args()
    if found.command == "run" and not found.data:
        parser.error("no data: give --data FOLDER or set YAHPO_DATA (benchmarks/README.md says where it comes from)")
    return found


def run(arguments: argparse.Namespace) -> None:
    from search_engines import Setting, raced
    from search_scenarios import Parents
    from yahpo import Task

    folder = Path(arguments.data)
    done = lines(arguments.results)
    finished = {(each["engine"], each["kind"], each["target"], each["seed"]) for each in done if "kind" in each}
    parents = Parents(
        folder, {each["parent"]: traced(each) for each in done if "parent" in each}, keeper(arguments.results)
    )
    for engine, case in wanted(arguments):
        key = (engine, case.kind.name, str(case.target), case.seed)
        if key in finished:
            continue
        task = Task(folder, case.target)
        setting = Setting(task.space, case.seed, parents.of(case), case.kind.same_task)
        trace = raced(maker(engine)(setting), task, case.kind.jobs)
        regrets = [round(case.target.regret(each.objective or 0.0), 6) for each in trace.observations]
        seconds = sum(trace.seconds) / len(trace.seconds)
        line = dict(zip(("engine", "kind", "target", "seed"), key, strict=True))
        append(arguments.results, line | {"group": arguments.targets, "regrets": regrets, "seconds": round(seconds, 5)})
        print(*key, f"regret {min(regrets):.3f}, {seconds:.3f} s per suggestion", flush=True)


def wanted(arguments: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    from search_scenarios import KINDS, Case, targets

    chosen = [each for each in targets(arguments.targets) if str(each).startswith(arguments.only)]
    for seed in range(arguments.seeds):
        for kind in arguments.kinds.split(","):
            for engine in arguments.engines.split(","):
                yield from ((engine, Case(KINDS[kind], target, seed)) for target in chosen)


def maker(engine: str) -> Any:
    """Return what makes a tuning job of `engine`; other libraries are imported only here."""
    if engine == "ours":
        return Ours
    if engine == "random":
        return random_search
    import search_peers

    return search_peers.PEERS[engine]


def lines(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def append(results: Path, line: dict[str, Any]) -> None:
    with results.open("a") as file:
        file.write(json.dumps(line) + "\n")


def traced(line: dict[str, Any]) -> Trace:
    from airflow_hpt.local.search.base import Observation

    return Trace(tuple(Observation(*each) for each in line["observations"]), ())


def keeper(results: Path) -> Any:
    def keep(key: str, trace: Trace) -> None:
        observations = [[dict(each.hyperparameters), each.objective] for each in trace.observations]
        append(results, {"parent": key, "observations": observations})

    return keep


if __name__ == "__main__":
    main()
