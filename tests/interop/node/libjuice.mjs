// Two libdatachannel peer connections (ICE by libjuice), relay-only on both sides, with a data channel.
// Argument: JSON {host, port, username, password}. Prints one line of JSON.

import nodeDataChannel from "node-datachannel";

const task = JSON.parse(process.argv[2]);
const COUNT = 300;
nodeDataChannel.initLogger("Debug", (level, message) => console.error(`${level}: ${message}`));

const server = {
  hostname: task.host, port: task.port, username: task.username, password: task.password, relayType: "TurnUdp",
};
const configuration = { iceServers: [server], iceTransportPolicy: "relay" };
const ends = ["one", "other"].map((name) => new nodeDataChannel.PeerConnection(name, configuration));
ends.forEach((end, index) => {
  const opposite = ends[1 - index];
  end.onLocalDescription((sdp, type) => opposite.setRemoteDescription(sdp, type));
  end.onLocalCandidate((candidate, mid) => opposite.addRemoteCandidate(candidate, mid));
});

// The second end answers the offer of the first and is given the channel: offers from both would collide.
const received = [[], []];
const channels = [ends[0].createDataChannel("sequence")];
channels[0].onMessage((message) => received[0].push(message));
ends[1].onDataChannel((channel) => {
  channel.onMessage((message) => received[1].push(message));
  channels.push(channel);
});
const until = async (what, limit, found) => {
  for (let waited = 0; waited < limit; waited += 20) {
    if (found()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not happen: ${ends.map((end) => `${end.state()}/${end.iceState()}`)}`);
};
await until("an open data channel", 60_000, () => channels.length === 2 && channels.every((channel) => channel.isOpen()));
for (let number = 0; number < COUNT; number += 1) {
  channels.forEach((channel) => channel.sendMessage(`${number} ${"x".repeat(700)}`));
  await new Promise((resolve) => setTimeout(resolve, 5));
}
await until("every message", 60_000, () => received.every((list) => list.length >= COUNT));
const report = {
  received: received.map((list) => list.length),
  inOrder: received.map((list) => list.every((text, index) => text.startsWith(`${index} `))),
  pairs: ends.map((end) => {
    const { local, remote } = end.getSelectedCandidatePair();
    return { local: local.type, remote: remote.type };
  }),
};
ends.forEach((end) => end.close());
nodeDataChannel.cleanup();
console.log(JSON.stringify(report));
process.exit(0);
