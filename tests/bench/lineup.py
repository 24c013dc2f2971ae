"""Which paths are compared, by the keys that are named on the command line."""
import contextlib
import pathlib
import shutil

from ours import Portolan
from peers import Direct, PgBouncer
from report import say
from tunnels import Haproxy, Nginx, Ssh, Stunnel

OURS = {"portolan": lambda folder, **more: Portolan(folder, **more), "nested": lambda folder, **more: Portolan(folder, nested=True, **more),
        "portolan-1": lambda folder, **more: Portolan(folder, hops=1, **more)}
OTHERS = {f"{key}-{hops}": (lambda folder, kind=kind, hops=hops, **more: kind(folder, hops, **more))
          for key, kind in (("haproxy", Haproxy), ("ssh", Ssh), ("stunnel", Stunnel), ("nginx", Nginx)) for hops in (2, 1)}
OTHERS["pgbouncer"] = PgBouncer
HELP = f"which paths, besides direct: {', '.join([*OURS, *OTHERS])} (the number is that of hops), none; all of Portolan's if none of them is named"


def chosen(only, among=None):
    """{key: how it is made}, the direct one first; what is not installed is said and left out."""
    unknown = set(only or ()) - OURS.keys() - OTHERS.keys() - {"none"}
    if unknown:
        raise SystemExit(f"bench: no path {', '.join(sorted(unknown))}")
    ours = OURS if not only or not OURS.keys() & set(only) else {key: OURS[key] for key in OURS if key in only}
    others = {key: make for key, make in OTHERS.items() if not only or key in only}
    return {key: make for key, make in {"direct": Direct, **ours, **others}.items() if not among or key in among}


@contextlib.contextmanager
def all_started(folder, services, pinning, kinds, **more):
    """All of these (of `chosen`); they are ended in the end, whatever happens."""
    paths = []
    try:
        for key, make in kinds.items():
            path = make(folder / key, **more)
            missing = [program for program in path.needs if not pathlib.Path(program).exists()]
            if missing:
                say(f"{path.name} is left out: {', '.join(missing)} is not there")
                shutil.rmtree(path.folder)
                continue
            paths.append(path)
            with pinning.path():
                path.start(services)
        yield paths
    finally:
        for path in paths:
            path.stop()
        for path in paths:
            shutil.rmtree(path.folder, ignore_errors=True)
