"""Replays a workload under the policy native on one invoker, in SimPy.

Reads functions.csv (memory in bytes; initialisation and termination in us) and
requests.csv (arrival in us, function, work in us) from the folder that is named, and
prints as JSON how the requests started and how long the replay took. CPU is not
shared: the invoker must have enough for all.
"""

import collections
import csv
import json
import pathlib
import sys
import time

import simpy

KEEP_ALIVE = 600_000_000  # us
TIMEOUT = 60_000_000


class Container:
    __slots__ = ("function", "since", "state", "request")

    def __init__(self, function, request):
        self.function, self.request = function, request
        self.since, self.state = 0, "pending"


class Platform:
    def __init__(self, env, capacity, functions):
        self.env, self.functions = env, functions
        self.free = capacity  # not held by any container
        self.unclaimed = capacity  # free, or about to be, and promised to no one
        self.idle_memory = 0
        self.idle = collections.OrderedDict()  # in order of becoming idle
        self.stack = [[] for _ in functions]  # idle containers of a function, last used last
        self.queue = collections.OrderedDict()  # waiting requests in order of arrival
        self.waiting = [collections.OrderedDict() for _ in functions]
        self.pending = collections.deque()
        self.expiries = collections.deque()
        self.count = collections.Counter()
        self.latency = 0
        self.janitor_sleeps = None

    def arrive(self, number, f, work):
        request = (number, f, work, self.env.now)
        self.queue[number] = self.waiting[f][number] = request
        self.dispatch(f)
        if number in self.queue:
            self.env.process(self.give_up(number, f))

    def give_up(self, number, f):
        yield self.env.timeout(TIMEOUT)
        if number in self.queue:
            request = self.take(number, f)
            self.count["dropped"] += 1
            self.latency += TIMEOUT + request[2]
            self.dispatch(f)  # the next in the queue may need less

    def take(self, number, f):
        del self.waiting[f][number]
        return self.queue.pop(number)

    def dispatch(self, f):
        while self.queue:
            if self.waiting[f] and self.stack[f]:
                request = self.take(next(iter(self.waiting[f])), f)
                kind = "warm" if request[3] == self.env.now else "delayed_warm"
                self.run(self.stack[f].pop(), request, kind)
                continue
            number, request = next(iter(self.queue.items()))
            memory = self.functions[request[1]][0]
            if self.unclaimed + self.idle_memory < memory:
                return
            while self.unclaimed < memory:
                self.end(next(iter(self.idle)))
            self.take(number, request[1])
            self.unclaimed -= memory
            self.pending.append(Container(request[1], request))
            self.admit()

    def admit(self):
        while self.pending and self.functions[self.pending[0].function][0] <= self.free:
            c = self.pending.popleft()
            self.free -= self.functions[c.function][0]
            self.env.process(self.initialise(c))

    def initialise(self, c):
        yield self.env.timeout(self.functions[c.function][1])
        self.run(c, c.request, "cold")

    def run(self, c, request, kind):
        if c.state == "idle":
            del self.idle[c]
            self.idle_memory -= self.functions[c.function][0]
        c.state = "busy"
        self.count[kind] += 1
        self.env.process(self.execute(c, request))

    def execute(self, c, request):
        yield self.env.timeout(request[2])
        self.latency += self.env.now - request[3]
        c.state, c.since = "idle", self.env.now
        self.idle[c] = True
        self.idle_memory += self.functions[c.function][0]
        self.stack[c.function].append(c)
        self.dispatch(c.function)
        if c.state == "idle":
            self.expiries.append((c, c.since))
            if self.janitor_sleeps is not None:
                self.janitor_sleeps.succeed()
                self.janitor_sleeps = None

    def janitor(self):
        while True:
            if not self.expiries:
                self.janitor_sleeps = self.env.event()
                yield self.janitor_sleeps
            c, since = self.expiries.popleft()
            if since + KEEP_ALIVE > self.env.now:
                yield self.env.timeout(since + KEEP_ALIVE - self.env.now)
            if c.state == "idle" and c.since == since:
                self.end(c)

    def end(self, c):
        c.state = "terminating"
        del self.idle[c]
        self.stack[c.function].remove(c)
        memory = self.functions[c.function][0]
        self.idle_memory -= memory
        self.unclaimed += memory
        self.env.process(self.terminate(c, memory))

    def terminate(self, c, memory):
        yield self.env.timeout(self.functions[c.function][2])
        self.free += memory
        self.admit()
        self.dispatch(c.function)


def arrivals(env, platform, requests):
    for number, (at, f, work) in enumerate(requests):
        if at > env.now:
            yield env.timeout(at - env.now)
        platform.arrive(number, f, work)


def main():
    folder, capacity = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    with open(folder / "functions.csv") as file:
        functions = [tuple(map(int, row)) for row in csv.reader(file)]
    with open(folder / "requests.csv") as file:
        requests = [tuple(map(int, row)) for row in csv.reader(file)]
    began, cpu = time.perf_counter(), time.process_time()
    env = simpy.Environment()
    platform = Platform(env, capacity, functions)
    env.process(platform.janitor())
    env.process(arrivals(env, platform, requests))
    env.run(until=requests[-1][0] + 2 * KEEP_ALIVE)
    out = {k: platform.count[k] for k in ("warm", "cold", "delayed_warm", "dropped")}
    out |= {"latency_us": platform.latency, "wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "simpy": simpy.__version__}
    json.dump(out, sys.stdout)


main()
