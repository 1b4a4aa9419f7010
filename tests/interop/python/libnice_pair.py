"""Two libnice agents, relay-only on both sides, between GStreamer pipelines: every buffer must arrive.

Argument: JSON {host, port, username, password, relay: "udp" | "tcp"}. Prints one line of JSON.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("Nice", "0.1")
from gi.repository import GLib, Gst, GstApp, Nice  # noqa: E402,F401

TASK = json.loads(sys.argv[1])
COUNT = 300
RELAYS = {"udp": Nice.RelayType.UDP, "tcp": Nice.RelayType.TCP}


class End:
    """An agent with one stream of one component."""

    def __init__(self, context: GLib.MainContext, controlling: bool):
        self.agent = Nice.Agent.new(context, Nice.Compatibility.RFC5245)
        self.agent.set_property("controlling-mode", controlling)
        self.agent.set_property("force-relay", True)
        self.agent.set_property("upnp", False)
        self.stream = self.agent.add_stream(1)
        self.received = []
        self.gathered = False
        self.pair = None
        self.agent.connect("candidate-gathering-done", self.on_gathered)
        self.agent.connect("new-selected-pair-full", self.on_pair)
        relay = (TASK["host"], TASK["port"], TASK["username"], TASK["password"], RELAYS[TASK["relay"]])
        assert self.agent.set_relay_info(self.stream, 1, *relay)

    def on_gathered(self, _agent, _stream):
        self.gathered = True

    def on_pair(self, _agent, _stream, _component, local, remote):
        self.pair = [local.type == Nice.CandidateType.RELAYED, remote.type == Nice.CandidateType.RELAYED]

    def start(self):
        """Starts the pipelines, whose elements read and write the agent's sockets."""
        self.pipeline = Gst.Pipeline.new(None)
        source, sink = Gst.ElementFactory.make("nicesrc"), Gst.ElementFactory.make("appsink")
        self.feed, drain = Gst.ElementFactory.make("appsrc"), Gst.ElementFactory.make("nicesink")
        for element in (source, drain):
            element.set_property("agent", self.agent)
            element.set_property("stream", self.stream)
            element.set_property("component", 1)
        sink.set_property("sync", False)
        sink.set_property("emit-signals", True)
        sink.connect("new-sample", self.on_sample)
        drain.set_property("sync", False)
        drain.set_property("async", False)
        for element in (source, sink, self.feed, drain):
            self.pipeline.add(element)
        assert source.link(sink) and self.feed.link(drain)
        self.pipeline.set_state(Gst.State.PLAYING)

    def on_sample(self, sink):
        buffer = sink.emit("pull-sample").get_buffer()
        self.received.append(buffer.extract_dup(0, buffer.get_size()))
        return Gst.FlowReturn.OK

    def send(self, data: bytes):
        self.feed.emit("push-buffer", Gst.Buffer.new_wrapped(data))


def introduce(one: End, other: End):
    _, user, password = one.agent.get_local_credentials(one.stream)
    assert other.agent.set_remote_credentials(other.stream, user, password)
    candidates = one.agent.get_local_candidates(one.stream, 1)
    assert other.agent.set_remote_candidates(other.stream, 1, candidates) == len(candidates)


def main() -> dict:
    Gst.init(None)
    loop = GLib.MainLoop()
    ends = [End(loop.get_context(), True), End(loop.get_context(), False)]
    step = [0]

    def until(what: str, limit: int, found):
        """Runs the loop in steps of 20 ms until `found`."""
        for _ in range(limit * 50):
            if found():
                return
            GLib.timeout_add(20, lambda: loop.quit() or False)
            loop.run()
        states = [end.agent.get_component_state(end.stream, 1) for end in ends]
        raise SystemExit(f"{what} did not happen: {states}")

    for end in ends:
        end.start()
        assert end.agent.gather_candidates(end.stream)
    until("gathering", 60, lambda: all(end.gathered for end in ends))
    introduce(ends[0], ends[1])
    introduce(ends[1], ends[0])
    ready = int(Nice.ComponentState.READY)
    until("a connection", 60, lambda: all(end.agent.get_component_state(end.stream, 1) == ready for end in ends))

    def tick():
        for end in ends:
            end.send(f"{step[0]} ".encode().ljust(800, b"x"))
        step[0] += 1
        return step[0] < COUNT

    GLib.timeout_add(5, tick)
    until("every buffer", 60, lambda: all(len(end.received) >= COUNT for end in ends))
    wanted = {f"{number} ".encode().ljust(800, b"x") for number in range(COUNT)}
    report = {"complete": [set(end.received) == wanted for end in ends], "relayed": [end.pair for end in ends]}
    for end in ends:
        end.pipeline.set_state(Gst.State.NULL)
    return report


print(json.dumps(main()))
