from __future__ import annotations
import json, sqlite3, subprocess, sys, tempfile, time
from pathlib import Path
from tests.benchmarks.load import HOST, MACHINES, handle, left_over, loaded, register
from tests.daemon import Daemon, config
from tests.servers.mosquitto import Mosquitto

class Progress:
    def __init__(self, path: Path):
        self.path = path; self.db=None; self.seq = 0; self.count = 0
    def __call__(self) -> int:
        if self.db is None:
            if not self.path.exists(): return 0
            self.db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        try:
            top, n = self.db.execute("SELECT max(seq), count(*) FILTER (WHERE origin = 0) FROM event WHERE seq > ?", (self.seq,)).fetchone()
        except sqlite3.OperationalError:
            return 0
        if top: self.seq = top; self.count += n
        return self.count

def cpu(pid):
    f = open(f"/proc/{pid}/stat").read().rsplit(")",1)[1].split()
    return (int(f[11])+int(f[12]))/100

def measure(kind, count, broker, live=True, ahead=4000, profile=None):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        client = broker.name("bench"); topic = broker.name("t")+"/x"
        register(broker.port, client, topic)
        def start():
            if kind == "ours":
                stations = "\n".join(f'[[line.station]]\nname = "m{i}"\nclass = "pick_and_place"\nsource = {{ connection = "b", handle = ["{handle(i)}"] }}' for i in range(MACHINES))
                path = config(folder, connections=f'[[connection]]\nname = "b"\nprotocol = "cfx-mqtt"\nhost = "{HOST}"\nport = {broker.port}\ntopics = ["{topic}"]\nclient_id = "{client}"\n', stations=stations)
                d = Daemon(path, wrapper=profile or ()); d.start(); return d.process, d
            p = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.baselines", *kind.split(":")[0:1], str(broker.port), client, topic, str(folder/"journal.db"), *kind.split(":")[1:]], stdout=subprocess.PIPE)
            if live: assert p.stdout.readline() == b"ready\n"
            return p, None
        progress = Progress(folder/"journal.db")
        def follow(load):
            t0 = None; n0 = said = 0
            while True:
                n = progress(); now = time.perf_counter()
                if t0 is None and n: t0, n0 = now, n; c0 = cpu(p.pid)
                if n >= count: return (n-n0)/(now-t0), (cpu(p.pid)-c0)/(n-n0)*1e6
                if load and said < count: said = min(n+ahead, count); load.allow(said)
                time.sleep(0.005)
        with loaded("mqtt", broker.port, topic, count) as load:
            if live:
                p, d = start()
                rate = follow(load); load.wait()
            else:
                load.allow(count); load.wait()
                p, d = start()
                rate = follow(None)
        time.sleep(0.3)
        p.terminate(); p.wait()
        if d: d.close()
        left = left_over(broker.port, client)
        assert progress() == count and left == 0, (progress(), left)
        return rate

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as f:
        b = Mosquitto(Path(f)); b.start()
        try:
            for rep in range(int(sys.argv[2])):
              for mode in sys.argv[3].split(","):
                for kind in sys.argv[4:]:
                    r, c = measure(kind, int(sys.argv[1]), b, mode == "live")
                    print(mode, kind, f"{r:.0f}/s  cpu {c:.0f} us/msg", flush=True)
        finally: b.stop()
