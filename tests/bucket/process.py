"""A push or a pull in a process of its own, which can be killed at any moment that changes something."""

import os
import subprocess
import sys
from pathlib import Path

from tests.bucket.trees import OURS

ROOT = Path(__file__).resolve().parent.parent.parent

SYNC = """
import os, resource, signal, sys
from pathlib import Path
from bucket.files import Home
from bucket.pull import pull
from bucket.push import push
from bucket.server import Access, Bucket
from errors import RecuerdoError
what, root, step, most = sys.argv[1:5]
access = Access(*(word or None for word in sys.argv[5:10]))
left = int(step)
def die(event, arguments):
    global left
    writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writing or event in {"os.rename", "os.link", "os.remove", "http.client.send"}:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
try:
    with Bucket.at(access) as bucket:
        sys.addaudithook(die)
        if int(most):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
        run, home = push if what.startswith("push") else pull, Home(Path(root), tuple(sys.argv[10:]))
        facts = run(home, bucket, delete=what.endswith("--delete"))
        print(-left, flush=True)
        for row in facts["problems"]:
            print(row["reason"], file=sys.stderr)
except RecuerdoError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def run_sync(what, place, access, *, step=0, most=0):
    given = [access.uri, access.endpoint or "", access.region or "", access.key_id or "", access.secret or ""]
    words = [sys.executable, "-c", SYNC, what, place.root, step, most, *given, *OURS]
    # No keys of whoever runs the tests, nor those of the machine that they run on.
    environment = {"PATH": os.environ["PATH"], "HOME": str(place.root), "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.Popen(
        [str(word) for word in words], cwd=ROOT, env=environment, stdout=-1, stderr=-1, text=True
    )
